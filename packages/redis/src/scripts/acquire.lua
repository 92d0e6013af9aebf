-- Takes each hold that is free, without waiting.
-- KEYS, for each request: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each request: `mode token ttl label`, and for p `p token ttl permits limit label`: ttl in ms, guard included. One
--   argument each, because a driver spends more time on arguments than the server on taking this one apart.
-- Returns for each request: a text when it was granted or is ours already: the fencing token, 0 for permits; a number
--   when it is busy: -2 - ms until there may be room, -1 if nobody can tell; WRONGTYPE when a key holds no lock, FENCE when that of the fence holds none.

-- include clock.lua
-- include deadline.lua
-- include fence.lua

local replies = {}
local at, arg = 1, 4

-- Locks that are free and for which nobody waits, the common case: two writes, before anything else is set up.
while ARGV[arg] do
  local owner, ttl, label = string.match(ARGV[arg], '^x (%S+) (%d+) (.*)$')
  if not owner or call('EXISTS', KEYS[at], KEYS[at + 1]) > 0 then
    break
  end
  local fence = nextFence(KEYS[at + 2])
  if fence then
    call('SET', KEYS[at], owner .. ':' .. fence .. ':' .. label, 'PX', ttl)
  end
  replies[arg - 3] = fence or 'FENCE'
  at, arg = at + 3, arg + 1
end
if not ARGV[arg] then
  replies[arg - 3] = now
  return replies
end

-- include hold.lua
-- include waiters.lua
-- include grant.lua

local function step(k, mode, owner, ttl, label, permits, limit)
  local reply = try(k, mode, owner, ttl, label, permits, limit)
  if type(reply) ~= 'number' and (mode == 'r' or mode == 'p') then
    -- Granted while more could be granted: the next one's turn.
    handOn(k)
  end
  return reply
end

for i = arg, #ARGV do
  local mode, owner, ttl, label = match(ARGV[i], '^(%a) (%S+) (%d+) (.*)$')
  local permits, limit, k = 1, 1, nil
  k, at = keysOf(mode, at)
  if mode == 'p' then
    permits, limit, label = match(label, '^(%d+) (%d+) (.*)$')
    permits, limit = tonumber(permits), tonumber(limit)
  end
  replies[i - 3] = alone(step, k, mode, owner, tonumber(ttl), label, permits, limit)
end
replies[#ARGV - 2] = now
return replies
