-- Part of the step scripts; needs clock.lua. Never run alone.

-- Draws the next fence of a bucket: the server's clock in microseconds, so that it rises over time, but above the last one,
-- so that it rises over a clock that was set back. As text throughout: to print a number of this size costs more than a
-- write, and Lua would print it as 1.7e+15. Texts of the same length compare like the numbers.
-- nil when the key holds no fence (another type, another program's text, a number that no clock comes to and that cannot be counted on):
-- it is left as it was.
local function nextFence(key)
  local fence = time[1] .. string.sub('00000' .. time[2], -6)
  local last = redis.pcall('SET', key, fence, 'GET')
  if type(last) == 'table' then
    if string.find(last.err, 'WRONGTYPE', 1, true) then
      return nil
    end
    error(last, 0)
  end
  if last and (not string.find(last, '^%d+$') or #last > #fence or #last == #fence and last >= '9') then
    call('SET', key, last)
    return nil
  end
  if last and #last == #fence and last >= fence then
    fence = string.format('%.0f', tonumber(last) + 1)
    call('SET', key, fence)
  end
  return fence
end
