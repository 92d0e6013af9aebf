-- Frees one name on this node, no matter who has it, and wakes who waits for it.
-- KEYS[1] marker, then the keys of the name, see hold.lua
-- ARGV[1] see node.lua   ARGV[2] mode: x, p, or w for both of r and w
-- Returns {1 when somebody had it, else 0, the time}; {-1, the time} when the key holds something else than a lock, which is left alone.

-- include node.lua
-- include hold.lua
-- include waiters.lua

local mode = ARGV[2]
local k = keysOf(mode, 2)
sweep(k)
local freed = 0
if mode ~= 'p' then
  local held = stringAt(k.hold)
  if held == false then
    return { -1, now }
  end
  if held then
    call('DEL', k.hold)
    freed = 1
  end
end
if k.set and call('ZCARD', k.set) > 0 then
  call('DEL', k.set, k.info)
  freed = 1
end
wake(k, mode, mode, false)
return { freed, now }
