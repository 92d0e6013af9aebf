-- Who holds one name and how many wait for it. Changes nothing.
-- KEYS x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2] mode
-- Returns {{number of waiters, then for each holder: mode, what stands after its token (fence:label, or for r and p
--   fence:permits:label) or '' for a value that is not ours, ms left or -1 for none}, the time}. {{-1}, the time} when the key holds
--   something else than a lock.

-- include clock.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua

local mode = ARGV[2]
local k = keysOf(mode, 1)
local reply = { #call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf') }
local function add(...)
  for _, value in ipairs({ ... }) do
    reply[#reply + 1] = value
  end
end
if mode ~= 'p' then
  local held = redis.pcall('GET', k.hold)
  if type(held) == 'table' then
    return { { -1 }, now }
  end
  if held then
    local rest = match(held, '^%x+:(%d+:.*)$')
    if not rest or #match(held, '^[^:]*') ~= 32 then
      add('x', '', call('PTTL', k.hold))
    elseif sub(rest, 1, 2) ~= '0:' then
      add(mode == 'x' and 'x' or 'w', rest, call('PTTL', k.hold))
    end
  end
end
if k.set then
  local entries = call('ZRANGEBYSCORE', k.set, '(' .. now, '+inf', 'WITHSCORES')
  local seen = {}
  for i = 1, #entries, 2 do
    local owner = match(entries[i], '^[^:]*')
    local entry = not seen[owner] and call('HGET', k.info, owner)
    seen[owner] = true
    if entry and sub(entry, 1, 2) ~= '0:' then
      add(mode == 'p' and 'p' or 'r', entry, math.max(0, entries[i + 1] - now))
    end
  end
end
return { reply, now }
