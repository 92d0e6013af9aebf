-- Raises the fence to the token that was chosen, where the vote still stands as it was given. The owner alone would not do: a vote that was
-- given twice (a request that came twice) stands under another c, and somebody else may have come between.
-- KEYS[1] marker; then for each vote its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2..], for each vote: `mode token c T`
-- Returns for each vote: 1, or 0 when it does not stand, or the fence holds none.

-- include node.lua
-- include hold.lua

local replies = {}
local at = 2
for i = 2, #ARGV do
  local mode, owner, c, token = match(ARGV[i], '^(%a) (%x+) (%d+) (%d+)$')
  local k
  k, at = keysOf(mode, at)
  sweep(k)
  if found(k, mode, owner) == c and raise(k, tonumber(token)) then
    replies[i - 1] = 1
  else
    replies[i - 1] = 0
  end
end
replies[#ARGV] = now
return replies
