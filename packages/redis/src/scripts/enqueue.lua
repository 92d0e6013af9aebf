-- Takes the hold if nobody waits for it, else takes a place in the queue.
-- KEYS x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4] mode   ARGV[5] owner token   ARGV[6] ttl ms (guard included)   ARGV[7] label   ARGV[8] permits   ARGV[9] limit
-- ARGV[10] the waiter's place, a member of the waiters   ARGV[11] its former score, '' when it comes for the first time
-- ARGV[12] 1 if it is the manager's only one for this name, else 0
-- Returns {{the answer as acquire.lua gives it, the score of the place taken or '', 0 when the manager was not known to be
--   alive: its other places, if it had any, may have been dropped and have to be taken again; else 1}, the time}.

-- include clock.lua
-- include deadline.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua
-- include grant.lua

local mode, owner, member = ARGV[4], ARGV[5], ARGV[10]
local permits, limit = tonumber(ARGV[8]), tonumber(ARGV[9])
local k, at = keysOf(mode, 1)

local score = ARGV[11]
local reply
sweep(k)
if score == '' or found(k, mode, owner) then
  reply = try(k, KEYS[at], mode, owner, tonumber(ARGV[6]), ARGV[7], permits, limit)
else
  -- Its place was lost, and those behind it must not get what is its.
  dropExpired(k)
  reply = busy(k, mode, permits, limit)
end
if type(reply) ~= 'number' then
  leave(k, owner, member, ARGV[12] == '1')
  if mode ~= 'x' and mode ~= 'w' then
    handOn(k)
  end
  return { { reply, '', 1 }, now }
end
if score == '' then
  local last = tonumber(call('ZRANGE', k.waiters, -1, -1, 'WITHSCORES')[2]) or 0
  score = string.format('%.0f', math.max(time[1] * 1000000 + time[2], last + 1))
end
local known = call('ZSCORE', k.waiters, 'f' .. MANAGER)
call('ZADD', k.waiters, score, member)
enter(k, 'f' .. MANAGER, ALIVE_MS)
handOn(k)
return { { reply, score, known and 1 or 0 }, now }
