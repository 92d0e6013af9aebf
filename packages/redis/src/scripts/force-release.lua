-- Frees one name, no matter who holds it, and hands it on to who waits for it.
-- KEYS x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2] mode
-- Returns {1 when somebody held it, else 0, or WRONGTYPE when the key holds something else than a lock, which is left alone; the time}.

-- include clock.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua

local k = keysOf(ARGV[2], 1)
local freed = 0
sweep(k)
if ARGV[2] ~= 'p' then
  local held = redis.pcall('GET', k.hold)
  if type(held) == 'table' then
    return { 'WRONGTYPE', now }
  end
  if held and not (match(held, '^%x+:0:') and #match(held, '^[^:]*') == 32) then
    call('DEL', k.hold)
    freed = 1
  end
end
if k.set then
  local held = {}
  for _, member in ipairs(call('ZRANGE', k.set, 0, -1)) do
    local owner = match(member, '^[^:]*')
    if held[owner] == nil then
      local entry = call('HGET', k.info, owner)
      held[owner] = not entry or sub(entry, 1, 2) ~= '0:'
    end
    if held[owner] then
      call('ZREM', k.set, member)
      call('HDEL', k.info, owner)
      freed = 1
    end
  end
end
-- Who was granted for a while, and has lost that, has not kept silent.
for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
  if sub(member, 1, 1) == 'g' then
    call('ZREM', k.waiters, member)
  end
end
handOn(k)
return { freed, now }
