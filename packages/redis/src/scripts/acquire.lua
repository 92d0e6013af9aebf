-- Takes each hold that is free, without waiting.
-- KEYS, for each request: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] 1 when PUBLISH counts its receivers   ARGV[2] id of the asking manager
-- ARGV, for each request: mode, owner token, ttl ms (guard included), label, the manager's place among the waiters
--   ('' when it does not wait), and for p: permits, limit
-- Returns for each request: its fencing token when granted or already ours, 0 for permits; when busy -2 - ms until
--   there may be room, -1 if nobody can tell; WRONGTYPE when the key holds something else than a lock.

-- include hold.lua
-- include waiters.lua
-- include grant.lua

local replies = {}
local at, arg = 1, 3
while arg <= #ARGV do
  local mode, owner, ttl, label, member = ARGV[arg], ARGV[arg + 1], tonumber(ARGV[arg + 2]), ARGV[arg + 3], ARGV[arg + 4]
  local reply
  if mode == 'x' and call('EXISTS', KEYS[at + 1]) == 0 then
    -- Nobody waits: two writes and no question, which is the common case.
    local fence = nextFence(KEYS[at + 2])
    if call('SET', KEYS[at], owner .. ':' .. fence .. ':' .. label, 'NX', 'PX', ARGV[arg + 2]) then
      call('SET', KEYS[at + 2], fence)
      reply = tonumber(fence)
    end
  end
  arg = arg + 5
  local permits, limit = 1, 1
  if mode == 'p' then
    permits, limit = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
    arg = arg + 2
  end
  if reply then
    at = at + 3
  else
    local k
    k, at = keysOf(mode, at)
    local fenceKey
    if mode ~= 'p' then
      fenceKey = KEYS[at]
      at = at + 1
    end
    reply = try(k, fenceKey, ARGV[2], mode, owner, ttl, label, permits, limit)
    if type(reply) == 'number' then
      if reply >= 0 then
        if member ~= '' then
          call('ZREM', k.waiters, member)
        end
        if mode ~= 'x' and mode ~= 'w' then
          -- Granted while more could be granted: the next one's turn.
          handOn(k)
        end
      elseif member ~= '' then
        enter(k, member, PLAIN_MS)
      end
    end
  end
  replies[#replies + 1] = reply
end
return replies
