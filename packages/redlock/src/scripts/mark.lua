-- Completion marks that were set before.
-- KEYS[1] marker; then for each: marks, ends, see mark.lua
-- ARGV[1] see node.lua   ARGV[2..], for each: name, then `keep token ms`: it was won, and stands for so long from now, if it is this token's and
--   was not kept before; `drop token`: take it away, if it is this token's and was not kept; `read`
-- Returns for each: to read, see toldMark, or the text of acquire.lua when the node abstains; to keep and drop, 1 when it is this token's, else 0.

-- include node.lua
-- include mark.lua

local function settle(marks, ends, name, what, token, ms)
  local mark = markOf(marks, name)
  if not mark or mark.token ~= token then
    return '0'
  end
  if not mark.kept and what == 'keep' then
    mark.endsAt, mark.kept = now + ms, true
    writeMark(marks, ends, name, mark)
  elseif not mark.kept then
    call('HDEL', marks, name)
    call('ZREM', ends, name)
  end
  return '1'
end

local why
local replies = {}
for i = 2, #ARGV, 2 do
  local marks, ends = KEYS[i], KEYS[i + 1]
  local what, token, ms = match(ARGV[i + 1], '^(%a+) ?(%x*) ?(%d*)$')
  if what == 'read' then
    why = why or abstains() or ''
    replies[#replies + 1] = why ~= '' and why or toldMark(markOf(marks, ARGV[i]))
  else
    replies[#replies + 1] = settle(marks, ends, ARGV[i], what, token, tonumber(ms))
  end
end
replies[#replies + 1] = now
return replies
