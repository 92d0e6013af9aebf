// Written by scripts/embed-lua.mjs from src/scripts/*.lua; do not edit.

/** One step, and the name by which the server knows it once it is loaded. */
export interface Script {
  readonly name: string;
  readonly sha: string;
  readonly source: string;
}

/** The text as it was hashed: without the indentation that it has here. */
const lua = (text: string): string => text.trim().replace(/\n +/g, '\n');

const shared = {
  alone: lua(`
    local function alone(step, ...)
    local ok, reply = pcall(step, ...)
    if ok then
    return reply
    end
    if string.find(type(reply) == 'table' and reply.err or tostring(reply), 'WRONGTYPE', 1, true) then
    return 'WRONGTYPE'
    end
    error(reply, 0)
    end
  `),
  clock: lua(`
    local call = redis.call
    local time = call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
  `),
  deadline: lua(`
    local timeLeft = ARGV[2] - now
    if timeLeft < 0 or ARGV[3] - timeLeft < 0 then
    return { 'late', now }
    end
  `),
  fence: lua(`
    local fenceOfClock = time[1] .. string.sub('00000' .. time[2], -6)
    local function fenceAfter(last, fence)
    if string.find(last, '%D') or last == '' or #last > #fence or #last == #fence and last >= '9' then
    return nil
    end
    return #last == #fence and last >= fence and string.format('%.0f', last + 1) or fence
    end
    local function nextFence(key)
    local last = redis.pcall('SET', key, fenceOfClock, 'GET')
    if not last then
    return fenceOfClock
    end
    if type(last) == 'table' then
    if string.find(last.err, 'WRONGTYPE', 1, true) then
    return nil
    end
    error(last, 0)
    end
    local fence = fenceAfter(last, fenceOfClock)
    if not fence then
    call('SET', key, last)
    elseif fence ~= fenceOfClock then
    call('SET', key, fence)
    end
    return fence
    end
    local function nextFenceOfAll(keys)
    local fence = fenceOfClock
    for i, last in ipairs(call('MGET', unpack(keys))) do
    fence = last and fenceAfter(last, fence) or not last and nextFence(keys[i]) and fence
    if not fence then
    return nil
    end
    end
    local written = {}
    for i, key in ipairs(keys) do
    written[2 * i - 1], written[2 * i] = key, fence
    end
    call('MSET', unpack(written))
    return fence
    end
  `),
  grant: lua(`
    local function refuse(k, mode, permits, limit)
    if mode == 'x' and isTaken(k.hold) and call('TYPE', k.hold).ok ~= 'string' then
    return 'WRONGTYPE'
    end
    return busy(k, mode, permits, limit)
    end
    local function grant(k, mode, owner, ttl, label, permits, limit)
    local new = fenceOfClock
    if mode ~= 'p' then
    new = nextFence(k.fence)
    if not new then
    return 'FENCE'
    end
    end
    place(k, mode, owner, permits, ttl, new, label, limit)
    leave(k, owner, '', false)
    return mode == 'p' and '0' or new
    end
    local function again(k, mode, owner, ttl)
    sweep(k)
    local fence, permits = found(k, mode, owner)
    if not fence or fence == '0' then
    return nil
    end
    if ttl >= LEAST_TTL_MS or not call('ZSCORE', k.waiters, 'g' .. owner .. ':' .. MANAGER) then
    prolong(k, mode, owner, ttl)
    elseif mode == 'x' or mode == 'w' then
    call('PEXPIRE', k.hold, string.format('%.0f', ttl))
    else
    mark(k, mode, owner, permits, ttl)
    end
    leave(k, owner, '', false)
    return mode == 'p' and '0' or fence
    end
    local function try(k, mode, owner, ttl, label, permits, limit)
    local reply = again(k, mode, owner, ttl)
    if reply then
    return reply
    end
    if not found(k, mode, owner) then
    if call('EXISTS', k.waiters) == 1 then
    dropExpired(k)
    if liveHead(k) then
    handOn(k)
    return refuse(k, mode, permits, limit)
    end
    end
    if not fits(k, mode, permits, limit) then
    return refuse(k, mode, permits, limit)
    end
    end
    return grant(k, mode, owner, ttl, label, permits, limit)
    end
  `),
  hold: lua(`
    local sub, match = string.sub, string.match
    local CHUNK = 500
    local LONGEST_MS = 2 ^ 31 - 1
    local function keysOf(mode, at)
    if mode == 'x' then
    return { hold = KEYS[at], waiters = KEYS[at + 1], fence = KEYS[at + 2] }, at + 3
    end
    if mode == 'p' then
    return { hold = KEYS[at], set = KEYS[at], info = KEYS[at + 1], waiters = KEYS[at + 2] }, at + 3
    end
    return { hold = KEYS[at], set = KEYS[at + 1], info = KEYS[at + 2], waiters = KEYS[at + 3], fence = KEYS[at + 4] }, at + 5
    end
    local function isTaken(key)
    return redis.pcall('EXISTS', key) == 1
    end
    local function sweep(k)
    if not k.set then
    return
    end
    while true do
    local gone = call('ZRANGEBYSCORE', k.set, '-inf', now, 'LIMIT', 0, CHUNK)
    if #gone == 0 then
    return
    end
    call('ZREM', k.set, unpack(gone))
    for _, member in ipairs(gone) do
    call('HDEL', k.info, match(member, '^[^:]*'))
    end
    end
    end
    local function keep(k, key, ttl)
    local left = call('PTTL', key)
    if left < 0 then
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    ttl = math.max(ttl, math.min((last or 0) - now + 1000, LONGEST_MS))
    end
    call('PEXPIRE', key, string.format('%.0f', math.max(ttl, left)))
    end
    local function sweepFor(k, mode)
    if mode ~= 'w' then
    sweep(k)
    end
    end
    local function mark(k, mode, owner, permits, ttl)
    local expiry = string.format('%.0f', now + ttl)
    if mode == 'r' then
    call('ZADD', k.set, expiry, owner)
    else
    for first = 1, permits, CHUNK do
    local members = {}
    for i = first, math.min(first + CHUNK - 1, permits) do
    members[#members + 1] = expiry
    members[#members + 1] = owner .. ':' .. i
    end
    call('ZADD', k.set, unpack(members))
    end
    end
    keep(k, k.set, ttl + 1000)
    keep(k, k.info, ttl + 1000)
    end
    local function place(k, mode, owner, permits, ttl, fence, label, limit)
    if mode == 'x' or mode == 'w' then
    call('SET', k.hold, owner .. ':' .. fence .. ':' .. label, 'PX', string.format('%.0f', ttl))
    else
    local count = mode == 'p' and permits .. '/' .. limit or permits
    call('HSET', k.info, owner, fence .. ':' .. count .. ':' .. label)
    mark(k, mode, owner, permits, ttl)
    end
    end
    local function found(k, mode, owner)
    if mode == 'x' or mode == 'w' then
    local held = redis.pcall('GET', k.hold)
    if type(held) == 'string' and sub(held, 1, #owner + 1) == owner .. ':' then
    return match(held, '^(%d+):', #owner + 2)
    end
    return nil
    end
    local entry = call('HGET', k.info, owner)
    if not entry then
    return nil
    end
    local fence, permits = match(entry, '^(%d+):(%d+)')
    return fence, tonumber(permits)
    end
    local function prolong(k, mode, owner, ttl, rest)
    sweepFor(k, mode)
    local fence, permits = found(k, mode, owner)
    if not fence or fence == '0' then
    return 0
    end
    if mode == 'x' or mode == 'w' then
    local left = call('PTTL', k.hold)
    if left < 0 then
    ttl = math.max(ttl, rest or 0)
    end
    if left < ttl then
    call('PEXPIRE', k.hold, string.format('%.0f', ttl))
    end
    return 1
    end
    local score = call('ZSCORE', k.set, mode == 'r' and owner or owner .. ':1')
    if not score then
    return 0
    end
    if tonumber(score) < now + ttl then
    keep(k, k.info, ttl + 1000)
    mark(k, mode, owner, permits, ttl)
    else
    for _, key in ipairs({ k.set, k.info }) do
    if call('PTTL', key) < 0 then
    keep(k, key, ttl + 1000)
    end
    end
    end
    return 1
    end
    local function drop(k, mode, owner)
    sweepFor(k, mode)
    local fence, permits = found(k, mode, owner)
    if not fence then
    return 0
    end
    if mode == 'x' or mode == 'w' then
    call('DEL', k.hold)
    else
    call('HDEL', k.info, owner)
    if mode == 'r' then
    call('ZREM', k.set, owner)
    else
    for first = 1, permits, CHUNK do
    local members = {}
    for i = first, math.min(first + CHUNK - 1, permits) do
    members[#members + 1] = owner .. ':' .. i
    end
    call('ZREM', k.set, unpack(members))
    end
    end
    end
    return fence == '0' and 0 or 1
    end
    local function fits(k, mode, permits, limit)
    if mode == 'p' then
    return call('ZCARD', k.set) + permits <= limit
    end
    if isTaken(k.hold) then
    return false
    end
    return mode ~= 'w' or call('ZCARD', k.set) == 0
    end
    local function withLimits(k, reply, limit)
    local seen = {}
    for _, member in ipairs(call('ZRANGE', k.set, -8, -1)) do
    local owner = match(member, '^[^:]*')
    local other = not seen[owner] and match(call('HGET', k.info, owner) or '', '^%d+:%d+/(%d+):')
    seen[owner] = true
    if other and tonumber(other) ~= limit then
    return reply .. ' ' .. string.format('%.0f', limit) .. ' ' .. other
    end
    end
    return reply
    end
    local function busy(k, mode, permits, limit)
    local left = -1
    if mode == 'p' then
    local over = call('ZCARD', k.set) + permits - limit
    local last = over > 0 and call('ZRANGE', k.set, over - 1, over - 1, 'WITHSCORES')[2]
    left = last and math.max(0, last - now) or -1
    else
    left = call('PTTL', k.hold)
    if mode == 'w' and left < 0 then
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    left = last and math.max(0, last - now) or -1
    end
    end
    return left < 0 and -1 or -2 - math.min(left, LONGEST_MS)
    end
  `),
  mark: lua(`
    local SWEPT_PER_SET = 16
    local function sweepMarks(ends, marks)
    for _, name in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, SWEPT_PER_SET)) do
    call('HDEL', marks, name)
    call('ZREM', ends, name)
    end
    end
    local function markOf(marks, name)
    local owner, setAt, endsAt, label = string.match(call('HGET', marks, name) or '', '^(%x*):(%d+):(%d+):(.*)$')
    if owner and tonumber(endsAt) > now then
    return owner, tonumber(setAt), tonumber(endsAt), label
    end
    return nil
    end
    local function toldMark(setAt, endsAt, label)
    return string.format('%.0f %.0f ', now - setAt, endsAt - now) .. label
    end
  `),
  waiters: lua(`
    local MANAGER = sub(ARGV[1], 2)
    local QUEUE = '100000000000000'
    local WAITERS_MS = 3000
    local ALIVE_MS, PROVISIONAL_MS, GUARD_MS = 1500, 1800, 180
    local LEAST_TTL_MS = 2200
    local function enter(k, member, ms)
    call('ZADD', k.waiters, string.format('%.0f', now + ms), member)
    call('PEXPIRE', k.waiters, WAITERS_MS)
    end
    local function tell(k, id, text)
    local channel = 'holdfast.wake:' .. id
    if sub(id, 1, 1) == 'c' then
    channel = 'holdfast.wake:' .. match(k.waiters, '{[^}]+}') .. id
    end
    call('PUBLISH', channel, text)
    end
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
    if head.mode == 'x' or head.mode == 'w' then
    return
    end
    end
    end
    local function forgetLine(k, current)
    for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
    if member ~= current and match(member, '^n(%x+):') == MANAGER then
    call('ZREM', k.waiters, member)
    end
    end
    end
    local function leave(k, owner, member, last)
    if call('EXISTS', k.waiters) == 1 then
    call('ZREM', k.waiters, 'g' .. owner .. ':' .. MANAGER, member, last and 'f' .. MANAGER or '')
    if last then
    forgetLine(k)
    end
    end
    end
  `),
};

export const scripts = {
  acquire: {
    name: 'acquire',
    sha: 'c8f2e429431f531e5f8f592d06e6e76985879267',
    source: [
      shared.clock,
      shared.deadline,
      lua(`
        local sub, find = string.sub, string.find
        if not ARGV[5] and sub(ARGV[4], 1, 1) == 'x' and call('EXISTS', KEYS[1], KEYS[2]) == 0 then
        local fence = time[1] .. sub('00000' .. time[2], -6)
        local last = redis.pcall('SET', KEYS[3], fence, 'GET')
        local isText = type(last) == 'string'
        if not last or isText and #last == #fence and last < fence and not find(last, '%D') then
        local text = ARGV[4]
        local afterTtl = find(text, ' ', 36, true)
        call('SET', KEYS[1], sub(text, 3, 34) .. ':' .. fence .. ':' .. sub(text, afterTtl + 1), 'PX', sub(text, 36, afterTtl - 1))
        return { fence, now }
        end
        if isText then
        call('SET', KEYS[3], last)
        end
        end
      `),
      shared.fence,
      lua(`
        local replies = {}
        local function writeAll()
        local taken, fences = {}, {}
        for i = 1, #ARGV - 3 do
        if sub(ARGV[i + 3], 1, 1) ~= 'x' then
        return false
        end
        taken[2 * i - 1], taken[2 * i], fences[i] = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
        end
        local fence = call('EXISTS', unpack(taken)) == 0 and nextFenceOfAll(fences)
        if not fence then
        return false
        end
        local areAll = true
        for i = 1, #fences do
        local text = ARGV[i + 3]
        local afterTtl = find(text, ' ', 36, true)
        local value = sub(text, 3, 34) .. ':' .. fence .. ':' .. sub(text, afterTtl + 1)
        replies[i] = call('SET', taken[2 * i - 1], value, 'NX', 'PX', sub(text, 36, afterTtl - 1)) and fence
        areAll = areAll and replies[i]
        end
        return areAll
        end
        if ARGV[5] and writeAll() then
        replies[#ARGV - 2] = now
        return replies
        end
      `),
      shared.alone,
      shared.hold,
      shared.waiters,
      shared.grant,
      lua(`
        local function step(k, mode, owner, ttl, label, permits, limit)
        if mode == 'x' and call('EXISTS', k.hold, k.waiters) == 0 then
        local fence = nextFence(k.fence)
        if fence then
        place(k, mode, owner, permits, ttl, fence, label)
        end
        return fence or 'FENCE'
        end
        local reply = try(k, mode, owner, ttl, label, permits, limit)
        if type(reply) ~= 'number' and (mode == 'r' or mode == 'p') then
        handOn(k)
        end
        return mode == 'p' and withLimits(k, reply, limit) or reply
        end
        local at = 1
        for i = 4, #ARGV do
        local mode, owner, ttl, label = match(ARGV[i], '^(%a) (%S+) (%d+) (.*)$')
        local permits, limit, k = 1, 1, nil
        k, at = keysOf(mode, at)
        if mode == 'p' then
        permits, limit, label = match(label, '^(%d+) (%d+) (.*)$')
        permits, limit = tonumber(permits), tonumber(limit)
        end
        if not replies[i - 3] then
        replies[i - 3] = alone(step, k, mode, owner, tonumber(ttl), label, permits, limit)
        end
        end
        replies[#ARGV - 2] = now
        return replies
      `),
    ].join('\n'),
  },
  deleteMark: {
    name: 'deleteMark',
    sha: 'aa201a0e61a52db3d224995492c6364e3ed151e2',
    source: [
      shared.clock,
      shared.deadline,
      shared.mark,
      lua(`
        local stood = markOf(KEYS[1], ARGV[4]) and 1 or 0
        call('HDEL', KEYS[1], ARGV[4])
        call('ZREM', KEYS[2], ARGV[4])
        return { stood, now }
      `),
    ].join('\n'),
  },
  drawFence: {
    name: 'drawFence',
    sha: 'f27ab594f710da2609bba408bb66f0b9a8781e17',
    source: [
      shared.clock,
      shared.fence,
      lua(`
        return { nextFence(KEYS[1]) or 'FENCE', now }
      `),
    ].join('\n'),
  },
  dropMoving: {
    name: 'dropMoving',
    sha: '3f1ba9333a619fc5243b6abec8a30df916d4813e',
    source: [
      shared.clock,
      lua(`
        local token = ARGV[2] .. ':'
        local held = redis.pcall('GET', KEYS[1])
        if type(held) ~= 'string' or string.sub(held, 1, #token) ~= token then
        return { 0, now }
        end
        call('DEL', KEYS[1])
        return { string.sub(held, #token + 1, #token + 2) == '0:' and 0 or 1, now }
      `),
    ].join('\n'),
  },
  enqueue: {
    name: 'enqueue',
    sha: 'd30b40398de4ded6994d12bdd6eb48067ae4b19c',
    source: [
      shared.clock,
      shared.deadline,
      shared.fence,
      shared.hold,
      shared.waiters,
      shared.grant,
      lua(`
        local mode, owner, ttl, member, score, isOnly = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9] == '1'
        local k = keysOf(mode, 1)
        local own = placeOf(member)
        local known = call('ZSCORE', k.waiters, 'f' .. MANAGER) and 1 or 0
        enter(k, 'f' .. MANAGER, ALIVE_MS)
        local reply = again(k, mode, owner, ttl)
        if not reply then
        if score == '' then
        local last = tonumber(call('ZRANGE', k.waiters, -1, -1, 'WITHSCORES')[2]) or 0
        score = string.format('%.0f', math.max(time[1] * 1000000 + time[2], last + 1))
        end
        call('ZADD', k.waiters, score, member)
        dropExpired(k)
        local head = liveHead(k)
        if head and head.member == member and fits(k, mode, own.permits, own.limit) then
        reply = grant(k, mode, owner, ttl, own.label, own.permits, own.limit)
        else
        handOn(k)
        reply = refuse(k, mode, own.permits, own.limit)
        end
        end
        local told = mode == 'p' and withLimits(k, reply, own.limit) or reply
        if type(reply) == 'number' then
        return { { told, score, known, now }, now }
        end
        leave(k, owner, member, isOnly)
        handOn(k)
        return { { told, '', 1, now }, now }
      `),
    ].join('\n'),
  },
  findMark: {
    name: 'findMark',
    sha: 'c33ec93f45dc21fb2157fb144c369ca0208fa869',
    source: [
      shared.clock,
      shared.alone,
      shared.mark,
      lua(`
        local function find(marks, name)
        local owner, setAt, endsAt, label = markOf(marks, name)
        return owner and toldMark(setAt, endsAt, label) or ''
        end
        local replies = {}
        for i = 2, #ARGV do
        replies[i - 1] = alone(find, KEYS[i - 1], ARGV[i])
        end
        replies[#ARGV] = now
        return replies
      `),
    ].join('\n'),
  },
  forceRelease: {
    name: 'forceRelease',
    sha: 'b93fc2b7fd2289ed8f1983e30d276f1f991e8527',
    source: [
      shared.clock,
      shared.fence,
      shared.hold,
      shared.waiters,
      lua(`
        local k = keysOf(ARGV[2], 1)
        local freed = 0
        sweep(k)
        if ARGV[2] ~= 'p' then
        local held = redis.pcall('GET', k.hold)
        if type(held) == 'table' then
        return { 'WRONGTYPE', now }
        end
        if held and not (match(held, '^%x+:0:') and #match(held, '^[^:]*') == 32) then
        call('DEL', k.hold)
        freed = 1
        end
        end
        if k.set then
        local held = {}
        for _, member in ipairs(call('ZRANGE', k.set, 0, -1)) do
        local owner = match(member, '^[^:]*')
        if held[owner] == nil then
        local entry = call('HGET', k.info, owner)
        held[owner] = not entry or sub(entry, 1, 2) ~= '0:'
        end
        if held[owner] then
        call('ZREM', k.set, member)
        call('HDEL', k.info, owner)
        freed = 1
        end
        end
        end
        for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
        if sub(member, 1, 1) == 'g' then
        call('ZREM', k.waiters, member)
        end
        end
        handOn(k)
        return { freed, now }
      `),
    ].join('\n'),
  },
  handOver: {
    name: 'handOver',
    sha: '5646d872b33efce062515f79d7dfb28d5548333e',
    source: [
      shared.clock,
      shared.deadline,
      shared.fence,
      lua(`
        local text, member = ARGV[4], ARGV[5]
        local mode, owner, last = string.sub(text, 1, 1), string.sub(text, 3, 34), string.sub(text, 36, 36) == '1'
        local nextMode, nextOwner = string.sub(text, 38, 38), string.sub(text, 40, 71)
        local afterTtl = string.find(text, ' ', 73, true)
        local ttl, label = string.sub(text, 73, afterTtl - 1), string.sub(text, afterTtl + 1)
        local isAlone = mode == 'x' and nextMode == 'x' and owner ~= nextOwner and member == '' and not last
        local isKnown = isAlone and call('EXISTS', KEYS[2]) == 1
        if isAlone and not (isKnown and call('ZRANGEBYSCORE', KEYS[2], '100000000000000', '+inf', 'LIMIT', 0, 1)[1]) then
        local held = redis.pcall('GET', KEYS[1])
        if type(held) == 'string' and string.sub(held, 1, #owner + 1) == owner .. ':' then
        local fence = nextFence(KEYS[3])
        if fence then
        call('SET', KEYS[1], nextOwner .. ':' .. fence .. ':' .. label, 'PX', ttl)
        if isKnown then
        local manager = string.sub(ARGV[1], 2)
        call('ZREM', KEYS[2], 'g' .. owner .. ':' .. manager, 't' .. manager)
        end
        return { fence, now }
        end
        end
        end
      `),
      shared.hold,
      shared.waiters,
      lua(`
        local TURN_MS = 100
        local k = keysOf(mode, 1)
        local function othersWait()
        dropExpired(k)
        if not liveHead(k) then
        return false
        end
        for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf')) do
        local other = placeOf(member)
        if other and other.id ~= MANAGER and call('ZSCORE', k.waiters, 'f' .. other.id) then
        return true
        end
        end
        return false
        end
        local function mayGoOn()
        if call('EXISTS', k.waiters) == 0 then
        return true
        end
        local turn = 't' .. MANAGER
        if not othersWait() then
        call('ZREM', k.waiters, turn)
        return true
        end
        local ends = tonumber(call('ZSCORE', k.waiters, turn))
        if not ends then
        call('ZADD', k.waiters, string.format('%.0f', now + TURN_MS), turn)
        elseif ends <= now then
        call('ZREM', k.waiters, turn)
        return false
        end
        return true
        end
        local function leaveQueue(handsOn)
        leave(k, owner, member, last)
        if handsOn then
        handOn(k)
        end
        end
        sweep(k)
        local fence = found(k, nextMode, nextOwner)
        if fence then
        prolong(k, nextMode, nextOwner, tonumber(ttl))
        return { fence, now }
        end
        local held = found(k, mode, owner)
        fence = held and held ~= '0' and mayGoOn() and nextFence(k.fence)
        local wasOurs = drop(k, mode, owner) == 1
        if fence then
        place(k, nextMode, nextOwner, 1, tonumber(ttl), fence, label)
        end
        pcall(leaveQueue, not fence or nextMode == 'r')
        return { fence or wasOurs and -1 or -2, now }
      `),
    ].join('\n'),
  },
  inspect: {
    name: 'inspect',
    sha: 'bd7e534ae1727dd92132aeb484582fa0a0ebd896',
    source: [
      shared.clock,
      shared.fence,
      shared.hold,
      shared.waiters,
      lua(`
        local mode = ARGV[2]
        local k = keysOf(mode, 1)
        local function waiting()
        local counts, total, first = {}, 0, now
        local function add(id, count, since)
        total = total + math.max(0, count - (counts[id] or 0))
        counts[id] = math.max(count, counts[id] or 0)
        first = math.min(first, since)
        end
        local entries = call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE, 'WITHSCORES')
        local alive = {}
        for i = 1, #entries, 2 do
        alive[entries[i]] = true
        end
        local places = call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf', 'WITHSCORES')
        for i = 1, #places, 2 do
        local own = placeOf(places[i])
        if own and alive['f' .. own.id] then
        add(own.id, (counts[own.id] or 0) + 1, places[i + 1] / 1000)
        end
        end
        for i = 1, #entries, 2 do
        local id, count, since = match(entries[i], '^n(%x+):(%d+):(%d+)$')
        if id then
        add(id, tonumber(count), tonumber(since))
        end
        end
        return total, total > 0 and math.floor(now - first) or -1
        end
        local reply = { waiting() }
        local function add(held, rest, left)
        local fence = #(match(rest, '^%d+') or '') == #fenceOfClock and tonumber(match(rest, '^%d+'))
        for _, value in ipairs({ held, rest, left, fence and math.max(0, math.floor(now - fence / 1000)) or -1 }) do
        reply[#reply + 1] = value
        end
        end
        if mode ~= 'p' then
        local held = redis.pcall('GET', k.hold)
        if type(held) == 'table' then
        return { { -1 }, now }
        end
        if held then
        local rest = match(held, '^%x+:(%d+:.*)$')
        if not rest or #match(held, '^[^:]*') ~= 32 then
        add('x', '', call('PTTL', k.hold))
        elseif sub(rest, 1, 2) ~= '0:' then
        add(mode == 'x' and 'x' or 'w', rest, call('PTTL', k.hold))
        end
        end
        end
        if k.set then
        local entries = call('ZRANGEBYSCORE', k.set, '(' .. now, '+inf', 'WITHSCORES')
        local seen = {}
        for i = 1, #entries, 2 do
        local owner = match(entries[i], '^[^:]*')
        local entry = not seen[owner] and call('HGET', k.info, owner)
        seen[owner] = true
        if entry and sub(entry, 1, 2) ~= '0:' then
        add(mode == 'p' and 'p' or 'r', entry, math.max(0, entries[i + 1] - now))
        end
        end
        end
        return { reply, now }
      `),
    ].join('\n'),
  },
  listMarks: {
    name: 'listMarks',
    sha: '02f80c87a87ba09df2b08ad142a4b6a7a0ecadcf',
    source: [
      shared.clock,
      shared.mark,
      lua(`
        local page = call('HSCAN', KEYS[1], ARGV[2], 'COUNT', 500)
        local list = { page[1] }
        for i = 1, #page[2], 2 do
        local owner, setAt, endsAt, label = markOf(KEYS[1], page[2][i])
        if owner then
        list[#list + 1] = page[2][i]
        list[#list + 1] = toldMark(setAt, endsAt, label)
        end
        end
        return { list, now }
      `),
    ].join('\n'),
  },
  refresh: {
    name: 'refresh',
    sha: 'e5e9230897b847c59801acfe0e7a194ce16db616',
    source: [
      shared.clock,
      shared.deadline,
      shared.fence,
      shared.alone,
      shared.hold,
      shared.waiters,
      lua(`
        local function soonest(k)
        local left = k.hold ~= k.set and call('PTTL', k.hold) or -1
        local first = k.set and call('ZRANGE', k.set, 0, 0, 'WITHSCORES')[2]
        if first and (left < 0 or first - now < left) then
        return math.max(0, first - now)
        end
        return math.max(-1, left)
        end
        local function step(k, count, ms)
        local line = count and string.format('n%s:%s:%.0f', MANAGER, count, now - ms)
        forgetLine(k, line)
        if line then
        enter(k, line, ALIVE_MS)
        end
        local known = call('ZSCORE', k.waiters, 'f' .. MANAGER)
        if known then
        enter(k, 'f' .. MANAGER, ALIVE_MS)
        end
        handOn(k)
        if not known then
        return 0
        end
        local granted = {}
        for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
        local owner, manager = match(member, '^g(.*):(%x+)$')
        if manager == MANAGER then
        granted[#granted + 1] = owner
        end
        end
        return string.format('%.0f %.0f ', now, soonest(k)) .. table.concat(granted, ',')
        end
        local replies = {}
        local at = 1
        for arg = 4, #ARGV do
        local mode, count, ms = match(ARGV[arg], '^(%a) ?(%d*) ?(%d*)$')
        local k
        k, at = keysOf(mode, at)
        replies[#replies + 1] = alone(step, k, count ~= '' and count, tonumber(ms))
        end
        replies[#replies + 1] = now
        return replies
      `),
    ].join('\n'),
  },
  release: {
    name: 'release',
    sha: 'f37f8f22a3bc7b61bc51ca47b5302ee9c3501428',
    source: [
      shared.clock,
      lua(`
        local sub = string.sub
        if not ARGV[3] and sub(ARGV[2], 1, 1) == 'x' and call('EXISTS', KEYS[2]) == 0 then
        local held = redis.pcall('GET', KEYS[1])
        if type(held) == 'string' and sub(held, 1, 33) == sub(ARGV[2], 3, 34) .. ':' then
        call('DEL', KEYS[1])
        return { 1, now }
        end
        return { 0, now }
        end
        local replies = {}
        local function freeAll()
        local locks, waiters, mine = {}, {}, {}
        for i = 1, #ARGV - 1 do
        if sub(ARGV[i + 1], 1, 1) ~= 'x' then
        return false
        end
        locks[i], waiters[i] = KEYS[3 * i - 2], KEYS[3 * i - 1]
        end
        if call('EXISTS', unpack(waiters)) > 0 then
        return false
        end
        for i, held in ipairs(call('MGET', unpack(locks))) do
        local isMine = held and sub(held, 1, 33) == sub(ARGV[i + 1], 3, 34) .. ':' and not mine[locks[i]]
        if isMine then
        mine[locks[i]] = true
        mine[#mine + 1] = locks[i]
        end
        replies[i] = isMine and 1 or 0
        end
        if mine[1] then
        call('DEL', unpack(mine))
        end
        return true
        end
        if ARGV[3] and freeAll() then
        replies[#ARGV] = now
        return replies
        end
      `),
      shared.fence,
      shared.alone,
      shared.hold,
      shared.waiters,
      lua(`
        local function handOnAfter(k, owner, member, last)
        leave(k, owner, member, last)
        handOn(k)
        end
        local at = 1
        for i = 2, #ARGV do
        local mode, owner, last, member = match(ARGV[i], '^(%a) (%S+) (%d) (.*)$')
        local k
        k, at = keysOf(mode, at)
        local reply = alone(drop, k, mode, owner)
        replies[i - 1] = reply == 'WRONGTYPE' and 0 or reply
        pcall(handOnAfter, k, owner, member, last == '1')
        end
        replies[#ARGV] = now
        return replies
      `),
    ].join('\n'),
  },
  renew: {
    name: 'renew',
    sha: '717bb183c29e7f88e28f569ae8924b8fb51ee889',
    source: [
      shared.clock,
      shared.deadline,
      shared.alone,
      shared.hold,
      lua(`
        local replies = {}
        local at = 1
        for i = 4, #ARGV do
        local mode, owner, ttl, rest = match(ARGV[i], '^(%a) (%S+) (%d+) (%d+)$')
        local k
        if mode == 'x' or mode == 'w' then
        k = { hold = KEYS[at] }
        at = at + 1
        else
        k = { set = KEYS[at], info = KEYS[at + 1] }
        at = at + 2
        end
        local reply = alone(prolong, k, mode, owner, tonumber(ttl), tonumber(rest))
        replies[i - 3] = reply == 'WRONGTYPE' and 0 or reply
        end
        replies[#ARGV - 2] = now
        return replies
      `),
    ].join('\n'),
  },
  setMark: {
    name: 'setMark',
    sha: '6bcf0af1c140c9cee7e00dabea73becd0a77a87b',
    source: [
      shared.clock,
      shared.deadline,
      shared.alone,
      shared.mark,
      lua(`
        local function number(value)
        return string.format('%.0f', value)
        end
        local function set(marks, ends, name, text)
        local owner, ms, label = string.match(text, '^(%S+) (%d+) (.*)$')
        owner = owner == '-' and '' or owner
        sweepMarks(ends, marks)
        local setter = markOf(marks, name)
        if setter then
        return setter == owner and owner ~= '' and 1 or 0
        end
        call('HSET', marks, name, owner .. ':' .. number(now) .. ':' .. number(now + ms) .. ':' .. label)
        call('ZADD', ends, number(now + ms), name)
        for _, key in ipairs({ ends, marks }) do
        call('PEXPIRE', key, number(math.max(ms + 1000, call('PTTL', key))))
        end
        return 1
        end
        local replies = {}
        for i = 4, #ARGV, 2 do
        replies[#replies + 1] = alone(set, KEYS[i - 3], KEYS[i - 2], ARGV[i], ARGV[i + 1])
        end
        replies[#replies + 1] = now
        return replies
      `),
    ].join('\n'),
  },
  takeMoving: {
    name: 'takeMoving',
    sha: '2b02a962b4c0dbc72b1f6769e7de9b1fc6ce0efd',
    source: [
      shared.clock,
      shared.deadline,
      lua(`
        local token = ARGV[4] .. ':'
        local held = redis.pcall('GET', KEYS[1])
        if type(held) == 'table' then
        return { 'WRONGTYPE', now }
        end
        if held and string.sub(held, 1, #token) ~= token then
        local left = call('PTTL', KEYS[1])
        return { left < 0 and -1 or -2 - left, now }
        end
        local fence = held and string.match(held, '^(%d+):', #token + 1)
        if fence and fence ~= '0' then
        return { fence, now }
        end
        if ARGV[6] ~= '' and not held then
        return { -1, now }
        end
        fence = ARGV[6] == '' and '0' or ARGV[6]
        call('SET', KEYS[1], token .. fence .. ':' .. ARGV[7], 'PX', ARGV[5])
        return { fence == '0' and 'reserved' or fence, now }
      `),
    ].join('\n'),
  },
} as const satisfies Record<string, Script>;
