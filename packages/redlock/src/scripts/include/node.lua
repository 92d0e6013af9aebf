-- The clock and the state of one node. Part of the step scripts; never run alone.
-- Every script answers with a list whose last element is the time, in ms.
-- KEYS[1] marker   ARGV[1] `maxTtl quarantine bound id`: ms, ms, microseconds, the asking manager

local call = redis.call
local sub, match = string.sub, string.match
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local micros = time[1] * 1000000 + time[2]
local MAX_TTL, QUARANTINE, BOUND, MANAGER = match(ARGV[1], '^(%d+) (%d+) (%d+) (%x*)$')

-- Numbers of this size as Lua would not print them.
local function text(number)
  return string.format('%.0f', number)
end

-- The last c of a bucket, 0 for none. nil when the key holds none: another type or text, or a number to which no clock comes and that
-- cannot be counted on. One such node must not pull those of the others after it.
local function lastOf(fenceKey)
  local last = redis.pcall('GET', fenceKey)
  if not last then
    return 0
  end
  last = type(last) == 'string' and match(last, '^%d+$') and tonumber(last)
  return last and last <= 9000000000000000 and last or nil
end

-- nil when this node may vote; else why not. A node that was restarted, or emptied, may have forgotten locks that are
-- held, so it abstains until the longest of them is over. The run id tells a restart; the uptime would not, as it
-- follows the wall clock.
local function abstains()
  local known, maxTtl, over = match(call('GET', KEYS[1]) or '', '^(%x+) (%d+) (%d+)$')
  if maxTtl and maxTtl ~= MAX_TTL then
    return 'm' .. maxTtl
  end
  local info = call('INFO', 'server')
  -- A plain search, because a pattern takes as long as all the rest.
  if not known or not string.find(info, 'run_id:' .. known .. '\r', 1, true) then
    over = text(now + QUARANTINE)
    call('SET', KEYS[1], match(info, 'run_id:(%x+)') .. ' ' .. MAX_TTL .. ' ' .. over)
  end
  if now < tonumber(over) then
    return 'q' .. text(over - now)
  end
  return nil
end
