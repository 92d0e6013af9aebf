-- Part of the step scripts; needs clock.lua. Never run alone.

-- Draws the next fence of a bucket. It rises over time, and over a clock that was set back. Text: Lua would print a number
-- of this size as 1.7e+15.
local function nextFence(key)
  local fence = string.format('%.0f', nowUs)
  local last = tonumber(call('SET', key, fence, 'GET')) or 0
  if last >= nowUs then
    fence = string.format('%.0f', last + 1)
    call('SET', key, fence)
  end
  return fence
end
