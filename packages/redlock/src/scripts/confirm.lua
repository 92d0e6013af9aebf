-- Raises the fence to the token that was chosen, where the vote still stands as it was given. The owner alone would not do: a vote that was
-- given twice (a request that came twice) stands under another c, and somebody else may have come between.
-- KEYS[1] marker; then for each vote its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2..], for each vote: `mode token c T`
-- Returns for each vote: 1, or 0 when it does not stand, also as its keys hold something else, or the fence holds none.

-- include node.lua
-- include alone.lua
-- include hold.lua

local function confirm(k, mode, owner, c, token)
  sweep(k)
  return found(k, mode, owner) == c and raise(k, token) and 1 or 0
end

local replies = {}
local at = 2
for i = 2, #ARGV do
  local mode, owner, c, token = match(ARGV[i], '^(%a) (%x+) (%d+) (%d+)$')
  local k
  k, at = keysOf(mode, at)
  replies[i - 1] = alone(0, confirm, k, mode, owner, c, tonumber(token))
end
replies[#ARGV] = now
return replies
