-- The names of completion marks that stand, some at a time.
-- KEYS[1] marker   KEYS[2] marks, see mark.lua   ARGV[1] see node.lua   ARGV[2] cursor, 0 at first
-- Returns {{the next cursor, 0 when that was all; names}, the time}.

-- include node.lua
-- include mark.lua

local page = call('HSCAN', KEYS[2], ARGV[2], 'COUNT', 500)
local list = { page[1] }
for i = 1, #page[2], 2 do
  if markOf(KEYS[2], page[2][i]) then
    list[#list + 1] = page[2][i]
  end
end
return { list, now }
