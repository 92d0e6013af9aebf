-- Says that a manager is alive for all its places in the queues of some names, and hands on what is free there.
-- KEYS, for each name: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each name: `mode`, or `mode n ms` where n of the manager wait in its own line, the first of them for so many ms
-- Returns for each name: 0 when the manager's places were dropped and have to be taken again; else `time left tokens`: the time; the ms until
--   the first of what is held there ends, -1 if nobody can tell; joined by commas, the tokens of the manager's waiters that were granted and
--   have not confirmed: the message may have been missed. WRONGTYPE when its keys hold something else.

-- include clock.lua
-- include deadline.lua
-- include fence.lua
-- include alone.lua
-- include hold.lua
-- include waiters.lua

local function soonest(k)
  local left = k.hold ~= k.set and call('PTTL', k.hold) or -1
  local first = k.set and call('ZRANGE', k.set, 0, 0, 'WITHSCORES')[2]
  if first and (left < 0 or first - now < left) then
    return math.max(0, first - now)
  end
  return math.max(-1, left)
end

local function step(k, count, ms)
  local line = count and string.format('n%s:%s:%.0f', MANAGER, count, now - ms)
  forgetLine(k, line)
  if line then
    enter(k, line, ALIVE_MS)
  end
  local known = call('ZSCORE', k.waiters, 'f' .. MANAGER)
  if known then
    enter(k, 'f' .. MANAGER, ALIVE_MS)
  end
  handOn(k)
  if not known then
    return 0
  end
  local granted = {}
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
    local owner, manager = match(member, '^g(.*):(%x+)$')
    if manager == MANAGER then
      granted[#granted + 1] = owner
    end
  end
  return string.format('%.0f %.0f ', now, soonest(k)) .. table.concat(granted, ',')
end

local replies = {}
local at = 1
for arg = 4, #ARGV do
  local mode, count, ms = match(ARGV[arg], '^(%a) ?(%d*) ?(%d*)$')
  local k
  k, at = keysOf(mode, at)
  replies[#replies + 1] = alone(step, k, count ~= '' and count, tonumber(ms))
end
replies[#replies + 1] = now
return replies
