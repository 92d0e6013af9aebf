-- Lists completion marks, some at a time.
-- KEYS[1] marks, see mark.lua   ARGV[1] see clock.lua   ARGV[2] cursor, 0 at first
-- Returns {{the next cursor, 0 when that was all; name, `age left label` of each that stands}, the time}.

-- include clock.lua
-- include mark.lua

local page = call('HSCAN', KEYS[1], ARGV[2], 'COUNT', 500)
local list = { page[1] }
for i = 1, #page[2], 2 do
  local owner, setAt, endsAt, label = markOf(KEYS[1], page[2][i])
  if owner then
    list[#list + 1] = page[2][i]
    list[#list + 1] = toldMark(setAt, endsAt, label)
  end
end
return { list, now }
