-- Takes a lock whose slot is being moved to another node, by the lock's key alone: where that lies is one question, and a command with
-- several keys would be refused until all of them lie on one node. In two steps, as the fence lies elsewhere: first the lock is reserved, then
-- a fence is drawn, then the lock is granted with it. So fences rise as usual: each is drawn by the holder of the lock.
-- KEYS[1] lock
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4] owner token   ARGV[5] ttl ms (guard included)   ARGV[6] the fence that was drawn, '' at first   ARGV[7] label
-- Returns {the answer as acquire.lua gives it, or reserved; the time}.

-- include clock.lua
-- include deadline.lua

local token = ARGV[4] .. ':'
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then
  return { 'WRONGTYPE', now }
end
if held and string.sub(held, 1, #token) ~= token then
  local left = call('PTTL', KEYS[1])
  return { left < 0 and -1 or -2 - left, now }
end
local fence = held and string.match(held, '^(%d+):', #token + 1)
if fence and fence ~= '0' then
  return { fence, now }
end
if ARGV[6] ~= '' and not held then
  -- Its reservation is over, and somebody may have drawn a later fence.
  return { -1, now }
end
fence = ARGV[6] == '' and '0' or ARGV[6]
call('SET', KEYS[1], token .. fence .. ':' .. ARGV[7], 'PX', ARGV[5])
return { fence == '0' and 'reserved' or fence, now }
