-- Part of the step scripts; needs clock.lua. Never run alone.

-- Draws the next fence of a bucket: the server's clock in microseconds, so that it rises over time, but above the last one,
-- so that it rises over a clock that was set back. As text throughout: to print a number of this size costs more than a
-- write, and Lua would print it as 1.7e+15. Texts of the same length compare like the numbers.
local function nextFence(key)
  local fence = time[1] .. string.sub('00000' .. time[2], -6)
  local last = call('SET', key, fence, 'GET')
  if last and (#last > #fence or #last == #fence and last >= fence) then
    fence = string.format('%.0f', tonumber(last) + 1)
    call('SET', key, fence)
  end
  return fence
end
