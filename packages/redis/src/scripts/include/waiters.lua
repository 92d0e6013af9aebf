-- Who waits for one name. Part of the step scripts; needs fence.lua and hold.lua. Never run alone.
--
-- k.waiters is one sorted set for everything that waits. With a score in ms, at which the member means nothing any more:
--   f<id>          manager <id> is alive: ALIVE_MS behind its last sign of life
--   g<token>:<id>  this waiter was granted for a while, and has to confirm that by then
--   n<id>:<n>:<ms> <n> of manager <id> wait in its own line, the first of them since <ms>: what a sign of life has said, for people who look
--   t<id>          manager <id> may hand on to its own waiters until then though others wait, see hand-over.lua; it stays behind that
-- and with a score in microseconds, which orders the queue:
--   <token>:<ticket>:<id>:<mode>:<permits>:<limit>:<label>   one waiter of a fair manager, the first one of any other. The ticket is what a
--                                                            message calls it: a client that reads it can free nothing by it.

local MANAGER = sub(ARGV[1], 2)
local QUEUE = '100000000000000'
local WAITERS_MS = 3000
-- A manager says that it is alive every 1,050 ms. What the head of the queue is granted counts from its last sign of life, of which the head
-- knows when it sent it: it believes in the grant for PROVISIONAL_MS, and the server keeps it for longer by a tenth. So everything that a
-- manager has which died ends at the same time.
local ALIVE_MS, PROVISIONAL_MS, GUARD_MS = 1500, 1800, 180
-- With a shorter time to live, guard included, a waiter asks before it begins.
local LEAST_TTL_MS = 2200

local function enter(k, member, ms)
  call('ZADD', k.waiters, string.format('%.0f', now + ms), member)
  call('PEXPIRE', k.waiters, WAITERS_MS)
end

-- Tells one manager what one of its waiters was granted. Heard or not: the manager learns of it at the latest from its next sign of life. It
-- may listen at another server for a while, behind an address that has moved on.
local function tell(k, id, text)
  local channel = 'holdfast.wake:' .. id
  if sub(id, 1, 1) == 'c' then
    -- A manager on a cluster hears of each slot by itself, under the slot's tag: some stores take a message only where its key would lie.
    channel = 'holdfast.wake:' .. match(k.waiters, '{[^}]+}') .. id
  end
  call('PUBLISH', channel, text)
end

-- Whether the owner has anything. Call sweep first.
local function stands(k, owner)
  if k.set and call('HGET', k.info, owner) then
    return true
  end
  local held = redis.pcall('GET', k.hold)
  return type(held) == 'string' and sub(held, 1, #owner + 1) == owner .. ':'
end

local function dropExpired(k)
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '-inf', now)) do
    local kind = sub(member, 1, 1)
    if kind ~= 't' then
      call('ZREM', k.waiters, member)
    end
    local owner, id = match(member, '^g(.*):(%x+)$')
    if owner and not stands(k, owner) then
      -- Granted and not confirmed: the manager is gone or too slow. If it is there after all, it learns of it when it next says that it is
      -- alive, and takes its places again.
      call('ZREM', k.waiters, 'f' .. id)
    end
  end
end

local function placeOf(member)
  local owner, ticket, id, mode, permits, limit, label = match(member, '^([^:]*):(%x+):(%x+):(%a):(%d+):(%d+):(.*)$')
  return owner
    and {
      member = member,
      owner = owner,
      ticket = ticket,
      id = id,
      mode = mode,
      permits = tonumber(permits),
      limit = tonumber(limit),
      label = label,
    }
end

-- The first of the queue whose manager is alive. Call dropExpired first.
local function liveHead(k)
  while true do
    local member = call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf', 'LIMIT', 0, 1)[1]
    if not member then
      return nil
    end
    local head = placeOf(member)
    local alive = head and call('ZSCORE', k.waiters, 'f' .. head.id)
    if alive then
      head.seen = alive - ALIVE_MS
      return head
    end
    call('ZREM', k.waiters, member)
  end
end

-- Grants what is free to the heads of the queue, for as long as they fit, and tells each which sign of life its time counts from.
local function handOn(k)
  if call('EXISTS', k.waiters) == 0 then
    return
  end
  sweep(k)
  dropExpired(k)
  while true do
    local head = liveHead(k)
    if not head or not fits(k, head.mode, head.permits, head.limit) then
      return
    end
    local fence = head.mode == 'p' and fenceOfClock or nextFence(k.fence)
    if not fence then
      return
    end
    local ends = string.format('%.0f', head.seen + PROVISIONAL_MS + GUARD_MS)
    place(k, head.mode, head.owner, head.permits, ends - now, fence, head.label, head.limit)
    call('ZREM', k.waiters, head.member, 't' .. MANAGER)
    call('ZADD', k.waiters, ends, 'g' .. head.owner .. ':' .. head.id)
    tell(k, head.id, head.ticket .. '|' .. fence .. '|' .. string.format('%.0f', head.seen))
    -- Nobody fits beside it. A message leaves when the script has ended.
    if head.mode == 'x' or head.mode == 'w' then
      return
    end
  end
end

-- Forgets what the asking manager's earlier signs of life have said of its line, but for what is to stay.
local function forgetLine(k, current)
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
    if member ~= current and match(member, '^n(%x+):') == MANAGER then
      call('ZREM', k.waiters, member)
    end
  end
end

-- Forgets everything that one waiter of the asking manager left; last: it was the manager's only one for this name.
local function leave(k, owner, member, last)
  if call('EXISTS', k.waiters) == 1 then
    call('ZREM', k.waiters, 'g' .. owner .. ':' .. MANAGER, member, last and 'f' .. MANAGER or '')
    if last then
      forgetLine(k)
    end
  end
end
