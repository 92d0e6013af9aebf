-- Frees a lock whose slot is being moved to another node, by its key alone: see take-moving.lua.
-- KEYS[1] lock
-- ARGV[1] see clock.lua   ARGV[2] owner token
-- Returns {1 when it was the owner's, else 0; the time}.

-- include clock.lua

local token = ARGV[2] .. ':'
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' or string.sub(held, 1, #token) ~= token then
  return { 0, now }
end
call('DEL', KEYS[1])
return { string.sub(held, #token + 1, #token + 2) == '0:' and 0 or 1, now }
