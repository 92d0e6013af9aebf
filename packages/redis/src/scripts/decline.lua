-- Gives back what was reserved for an owner that does not wait any more. What it holds is left alone: it may have been
-- granted before the message came.
-- KEYS x: lock, waiters   p: permits, info, waiters   r, w: writer, readers, info, waiters
-- ARGV[1] see clock.lua   ARGV[2] mode   ARGV[3] owner token
-- Returns {1 when something was given back, else 0; the time}.

-- include clock.lua
-- include hold.lua
-- include waiters.lua

local mode, owner = ARGV[2], ARGV[3]
local k = keysOf(mode, 1)
sweep(k)
if found(k, mode, owner) ~= '0' then
  return { 0, now }
end
drop(k, mode, owner)
leave(k, owner, '', false)
handOn(k, mode)
return { 1, now }
