-- Looks for completion marks.
-- KEYS, for each: marks, see mark.lua   ARGV[1] see clock.lua   ARGV[2..] the name of each
-- Returns for each: '' when it does not stand, else `age left label`, in ms; the time.

-- include clock.lua
-- include mark.lua

local replies = {}
for i = 2, #ARGV do
  local owner, setAt, endsAt, label = markOf(KEYS[i - 1], ARGV[i])
  replies[i - 1] = owner and toldMark(setAt, endsAt, label) or ''
end
replies[#ARGV] = now
return replies
