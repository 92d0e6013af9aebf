-- Frees each hold, or vote, and wakes who waits for it. Also for an owner that has nothing here: that undoes a request whose answer was lost.
-- KEYS[1] marker; then for each hold its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2..], for each hold: `mode token quiet`: quiet 1 for votes of an attempt that failed
-- Returns for each hold: 1 when it was the owner's, else 0.

-- include node.lua
-- include hold.lua
-- include waiters.lua

local replies = {}
local at = 2
for i = 2, #ARGV do
  local mode, owner, quiet = match(ARGV[i], '^(%a) (%x+) ([01])$')
  local k
  k, at = keysOf(mode, at)
  local freed = drop(k, mode, owner)
  if freed == 1 then
    wake(k, mode, mode, quiet == '1')
  end
  replies[i - 1] = freed
end
return replies
