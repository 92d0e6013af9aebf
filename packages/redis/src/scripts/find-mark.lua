-- Looks for completion marks.
-- KEYS, for each: marks, see mark.lua   ARGV[1] see clock.lua   ARGV[2..] the name of each
-- Returns for each: '' when it does not stand, else `age left label`, in ms, or WRONGTYPE when its key holds no marks; the time.

-- include clock.lua
-- include alone.lua
-- include mark.lua

local function find(marks, name)
  local owner, setAt, endsAt, label = markOf(marks, name)
  return owner and toldMark(setAt, endsAt, label) or ''
end

local replies = {}
for i = 2, #ARGV do
  replies[i - 1] = alone(find, KEYS[i - 1], ARGV[i])
end
replies[#ARGV] = now
return replies
