-- Part of the step scripts; needs clock.lua. Never run alone.
--
-- A fence is the server's clock in microseconds, so that it rises over time, but above the last one of its bucket, so that it rises
-- over a clock that was set back. As text throughout: to print a number of this size costs more than a write, and Lua would print
-- it as 1.7e+15. Texts of the same length compare like the numbers.

local fenceOfClock = time[1] .. string.sub('00000' .. time[2], -6)

-- The fence that comes after the last one of a bucket; nil when that is none (another program's text, a number that no clock comes to
-- and that cannot be counted on).
local function fenceAfter(last, fence)
  if string.find(last, '%D') or last == '' or #last > #fence or #last == #fence and last >= '9' then
    return nil
  end
  return #last == #fence and last >= fence and string.format('%.0f', last + 1) or fence
end

-- Draws the next fence of a bucket; nil when its key holds none: it is left as it was.
local function nextFence(key)
  local last = redis.pcall('SET', key, fenceOfClock, 'GET')
  if not last then
    return fenceOfClock
  end
  if type(last) == 'table' then
    if string.find(last.err, 'WRONGTYPE', 1, true) then
      return nil
    end
    error(last, 0)
  end
  local fence = fenceAfter(last, fenceOfClock)
  if not fence then
    call('SET', key, last)
  elseif fence ~= fenceOfClock then
    call('SET', key, fence)
  end
  return fence
end

-- Draws one fence for all of these buckets; nil when any key holds none.
local function nextFenceOfAll(keys)
  local fence = fenceOfClock
  for i, last in ipairs(call('MGET', unpack(keys))) do
    -- What is no text seems to be nothing.
    fence = last and fenceAfter(last, fence) or not last and nextFence(keys[i]) and fence
    if not fence then
      return nil
    end
  end
  local written = {}
  for i, key in ipairs(keys) do
    written[2 * i - 1], written[2 * i] = key, fence
  end
  call('MSET', unpack(written))
  return fence
end
