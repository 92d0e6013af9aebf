-- Frees each hold, and whatever else its owner left; wakes who waits for it. Also for an owner that holds nothing: that
-- undoes a request whose answer was lost.
-- KEYS, for each hold: x: lock, waiters   p: permits, info, waiters   r, w: writer, readers, info, waiters
-- ARGV[1] 1 when PUBLISH counts its receivers   ARGV[2] id of the asking manager
-- ARGV, for each hold: mode, owner token, the owner's place in the queue ('' if it has none)
-- Returns for each hold: 1 when it was the owner's, else 0.

-- include hold.lua
-- include waiters.lua

local replies = {}
local at = 1
for arg = 3, #ARGV, 3 do
  local mode, owner = ARGV[arg], ARGV[arg + 1]
  local k
  k, at = keysOf(mode, at)
  replies[#replies + 1] = drop(k, mode, owner)
  leave(k, ARGV[2], owner, ARGV[arg + 2])
  handOn(k, mode)
end
return replies
