-- Keeps each hold for another while, never shorter than it has.
-- KEYS, for each hold: x, w: lock or writer   p: permits, info   r: readers, info
-- ARGV, for each hold: `mode token ttl`, ttl in ms, guard included
-- Returns for each hold (alone if there is one): 1, or 0 when it is not the owner's, nor anybody's as
--   its key holds something else.

-- include clock.lua
-- include hold.lua

local replies = {}
local at = 1
for i = 1, #ARGV do
  local mode, owner, ttl = match(ARGV[i], '^(%a) (%S+) (%d+)$')
  local k
  if mode == 'x' or mode == 'w' then
    k = { hold = KEYS[at] }
    at = at + 1
  else
    k = { set = KEYS[at], info = KEYS[at + 1] }
    at = at + 2
  end
  local reply = alone(prolong, k, mode, owner, tonumber(ttl))
  replies[i] = reply == 'WRONGTYPE' and 0 or reply
end
return #replies == 1 and replies[1] or replies
