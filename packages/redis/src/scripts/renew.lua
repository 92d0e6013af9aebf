-- Keeps each hold for another while, never shorter than it has.
-- KEYS, for each hold: x, w: lock or writer   p: permits, info   r: readers, info
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each hold: `mode token ttl rest`, in ms, guard included; rest: how long its holder counts on it yet, 0 where that is not known
-- Returns for each hold: 1, or 0 when it is not the owner's, nor anybody's as
--   its key holds something else.

-- include clock.lua
-- include deadline.lua
-- include alone.lua
-- include hold.lua

local replies = {}
local at = 1
for i = 4, #ARGV do
  local mode, owner, ttl, rest = match(ARGV[i], '^(%a) (%S+) (%d+) (%d+)$')
  local k
  if mode == 'x' or mode == 'w' then
    k = { hold = KEYS[at] }
    at = at + 1
  else
    k = { set = KEYS[at], info = KEYS[at + 1] }
    at = at + 2
  end
  local reply = alone(prolong, k, mode, owner, tonumber(ttl), tonumber(rest))
  replies[i - 3] = reply == 'WRONGTYPE' and 0 or reply
end
replies[#ARGV - 2] = now
return replies
