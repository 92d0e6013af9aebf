-- Who holds one name and how many wait for it, and since when. Changes nothing.
-- KEYS x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2] mode
-- Returns {{number of waiters, for how many ms the first of them has waited or -1, then for each holder: mode, what stands after its token
--   (fence:label, for r fence:permits:label, for p fence:permits/limit:label) or '' for a value that is not ours, ms left or -1 for none, ms since it was granted or
--   -1 where nobody can tell}, the time}. {{-1}, the time} when the key holds something else than a lock.

-- include clock.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua

local mode = ARGV[2]
local k = keysOf(mode, 1)

-- Of a manager the places in the queue, or what it has said of its line, whichever is more: the first of a line has a place, if not all.
local function waiting()
  local counts, total, first = {}, 0, now
  local function add(id, count, since)
    total = total + math.max(0, count - (counts[id] or 0))
    counts[id] = math.max(count, counts[id] or 0)
    first = math.min(first, since)
  end
  local entries = call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE, 'WITHSCORES')
  local alive = {}
  for i = 1, #entries, 2 do
    alive[entries[i]] = true
  end
  local places = call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf', 'WITHSCORES')
  for i = 1, #places, 2 do
    local own = placeOf(places[i])
    if own and alive['f' .. own.id] then
      add(own.id, (counts[own.id] or 0) + 1, places[i + 1] / 1000)
    end
  end
  for i = 1, #entries, 2 do
    local id, count, since = match(entries[i], '^n(%x+):(%d+):(%d+)$')
    if id then
      add(id, tonumber(count), tonumber(since))
    end
  end
  return total, total > 0 and math.floor(now - first) or -1
end

local reply = { waiting() }
local function add(held, rest, left)
  -- A fence is the time of the grant in microseconds, or, where the clock was set back, a little more.
  local fence = #(match(rest, '^%d+') or '') == #fenceOfClock and tonumber(match(rest, '^%d+'))
  for _, value in ipairs({ held, rest, left, fence and math.max(0, math.floor(now - fence / 1000)) or -1 }) do
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
