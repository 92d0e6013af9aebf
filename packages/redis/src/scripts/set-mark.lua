-- Sets completion marks, each unless it stands.
-- KEYS, for each: marks, ends, see mark.lua
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each: name, `owner ms label`; an owner of - is nobody
-- Returns for each: 1 when it was set, also by an earlier request of the same owner; 0 when it stood already; WRONGTYPE when
--   its keys hold no marks.

-- include clock.lua
-- include deadline.lua
-- include alone.lua
-- include mark.lua

local function number(value)
  return string.format('%.0f', value)
end

local function set(marks, ends, name, text)
  local owner, ms, label = string.match(text, '^(%S+) (%d+) (.*)$')
  owner = owner == '-' and '' or owner
  sweepMarks(ends, marks)
  local setter = markOf(marks, name)
  if setter then
    return setter == owner and owner ~= '' and 1 or 0
  end
  call('HSET', marks, name, owner .. ':' .. number(now) .. ':' .. number(now + ms) .. ':' .. label)
  call('ZADD', ends, number(now + ms), name)
  -- A second more than what is in them: the keys must not go before.
  for _, key in ipairs({ ends, marks }) do
    call('PEXPIRE', key, number(math.max(ms + 1000, call('PTTL', key))))
  end
  return 1
end

local replies = {}
for i = 4, #ARGV, 2 do
  replies[#replies + 1] = alone(set, KEYS[i - 3], KEYS[i - 2], ARGV[i], ARGV[i + 1])
end
replies[#replies + 1] = now
return replies
