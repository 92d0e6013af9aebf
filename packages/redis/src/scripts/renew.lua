-- Keeps each hold for another while, never shorter than it has.
-- KEYS, for each hold: x, w: lock or writer   p: permits, info   r: readers, info
-- ARGV, for each hold: mode, owner token, ttl ms (guard included)
-- Returns for each hold: 1, or 0 when it is not the owner's.

-- include hold.lua

local replies = {}
local at = 1
for arg = 1, #ARGV, 3 do
  local mode = ARGV[arg]
  local k
  if mode == 'x' or mode == 'w' then
    k = { hold = KEYS[at] }
    at = at + 1
  else
    k = { set = KEYS[at], info = KEYS[at + 1] }
    at = at + 2
  end
  replies[#replies + 1] = prolong(k, mode, ARGV[arg + 1], tonumber(ARGV[arg + 2]))
end
return replies
