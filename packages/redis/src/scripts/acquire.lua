-- Takes each hold that is free, without waiting.
-- KEYS, for each request: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each request: `mode token ttl place label`, and for p `p token ttl place permits limit label`: ttl in ms,
--   guard included; place is the manager's among the waiters, - when it does not wait. One argument each, because a
--   driver spends more time on arguments than the server on taking this one apart.
-- Returns for each request: a text when it was granted or is ours already: the fencing token, 0 for permits; a number
--   when it is busy: -2 - ms until there may be room, -1 if nobody can tell; WRONGTYPE when a key holds no lock, FENCE when that of the fence holds none.

-- include clock.lua
-- include deadline.lua
-- include fence.lua

local replies = {}
local at, arg = 1, 4

-- Locks that are free and for which nobody waits, the common case: two writes, before anything else is set up.
while ARGV[arg] do
  local owner, ttl, label = string.match(ARGV[arg], '^x (%S+) (%d+) %S+ (.*)$')
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

local function step(k, fenceKey, mode, owner, ttl, member, label, permits, limit)
  local reply = try(k, fenceKey, mode, owner, ttl, label, permits, limit)
  if type(reply) == 'number' then
    if member ~= '-' then
      enter(k, member, PLAIN_MS)
      if mode == 'w' and (reply == -1 or reply < -2 - WRITER_POLL_MS) then
        reply = -2 - WRITER_POLL_MS
      end
    end
  elseif reply ~= 'WRONGTYPE' and reply ~= 'FENCE' then
    if member ~= '-' then
      call('ZREM', k.waiters, member)
    end
    if mode ~= 'x' and mode ~= 'w' then
      -- Granted while more could be granted: the next one's turn.
      handOn(k)
    end
  end
  return reply
end

for i = arg, #ARGV do
  local mode, owner, ttl, member, label = match(ARGV[i], '^(%a) (%S+) (%d+) (%S+) (.*)$')
  local permits, limit, fenceKey, k = 1, 1, nil, nil
  k, at = keysOf(mode, at)
  if mode == 'p' then
    permits, limit, label = match(label, '^(%d+) (%d+) (.*)$')
    permits, limit = tonumber(permits), tonumber(limit)
  else
    fenceKey = KEYS[at]
    at = at + 1
  end
  replies[i - 3] = alone(step, k, fenceKey, mode, owner, tonumber(ttl), member, label, permits, limit)
end
replies[#ARGV - 2] = now
return replies
