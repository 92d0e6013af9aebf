-- Sets completion marks, or takes them away.
-- KEYS[1] marker; then for each: marks, ends, see mark.lua
-- ARGV[1] see node.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each: name, then `set token ms label`: set it unless it stands, to be kept later; or `delete`: take it away, no matter who set it
-- Returns for each: to set, see toldMark, or the text of acquire.lua when the node abstains; to delete, 1 when it stood, else 0.

-- include node.lua
-- include deadline.lua
-- include mark.lua

local function set(marks, ends, name, token, ms, label)
  sweepMarks(marks, ends)
  local mark = markOf(marks, name)
  if not mark then
    mark = { token = token, setAt = now, endsAt = now + ms, kept = false, label = label }
    writeMark(marks, ends, name, mark)
  end
  return toldMark(mark)
end

local function delete(marks, ends, name)
  local stood = markOf(marks, name) and '1' or '0'
  call('HDEL', marks, name)
  call('ZREM', ends, name)
  return stood
end

local why = abstains()
local replies = {}
for i = 4, #ARGV, 2 do
  local marks, ends = KEYS[i - 2], KEYS[i - 1]
  local token, ms, label = match(ARGV[i + 1], '^set (%x+) (%d+) (.*)$')
  if token then
    replies[#replies + 1] = why or set(marks, ends, ARGV[i], token, tonumber(ms), label)
  else
    replies[#replies + 1] = delete(marks, ends, ARGV[i])
  end
end
replies[#replies + 1] = now
return replies
