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
    local function alone(otherwise, step, ...)
    local ok, reply = pcall(step, ...)
    if ok then
    return reply
    end
    if string.find(type(reply) == 'table' and reply.err or tostring(reply), 'WRONGTYPE', 1, true) then
    return otherwise
    end
    error(reply, 0)
    end
  `),
  deadline: lua(`
    local timeLeft = ARGV[2] - now
    if timeLeft < 0 or ARGV[3] - timeLeft < 0 then
    return { 'late', now }
    end
  `),
  hold: lua(`
    local function keysOf(mode, at)
    if mode == 'x' then
    return { hold = KEYS[at], waiters = KEYS[at + 1], fence = KEYS[at + 2] }, at + 3
    end
    if mode == 'p' then
    return { hold = KEYS[at], set = KEYS[at], info = KEYS[at + 1], waiters = KEYS[at + 2], fence = KEYS[at + 3] }, at + 4
    end
    return { hold = KEYS[at], set = KEYS[at + 1], info = KEYS[at + 2], waiters = KEYS[at + 3], fence = KEYS[at + 4] }, at + 5
    end
    local function sweep(k)
    if not k.set then
    return
    end
    for _, member in ipairs(call('ZRANGEBYSCORE', k.set, '-inf', now)) do
    call('ZREM', k.set, member)
    call('HDEL', k.info, match(member, '^[^:]*'))
    end
    end
    local function stringAt(key)
    local value = redis.pcall('GET', key)
    if type(value) == 'table' then
    return false
    end
    return value or nil
    end
    local function found(k, mode, owner)
    if mode == 'x' or mode == 'w' then
    local held = stringAt(k.hold)
    if held and sub(held, 1, #owner + 1) == owner .. ':' then
    return match(held, '^(%d+):', #owner + 2)
    end
    return nil
    end
    return match(call('HGET', k.info, owner) or '', '^(%d+):([%d,]*)')
    end
    local function keep(k, key, ttl)
    local left = call('PTTL', key)
    if left < 0 then
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    ttl = math.max(ttl, math.min((last or 0) - now, 2 ^ 31 - 1))
    end
    call('PEXPIRE', key, text(math.max(ttl + 1000, left)))
    end
    local function mark(k, mode, owner, slots, ttl)
    local expiry = text(now + ttl)
    if mode == 'r' then
    call('ZADD', k.set, expiry, owner)
    else
    for slot in string.gmatch(slots, '%d+') do
    call('ZADD', k.set, expiry, owner .. ':' .. slot)
    end
    end
    keep(k, k.set, ttl)
    keep(k, k.info, ttl)
    end
    local function place(k, mode, owner, c, slots, ttl, label, limit)
    if mode == 'x' or mode == 'w' then
    call('SET', k.hold, owner .. ':' .. c .. ':' .. label, 'PX', ttl)
    elseif mode == 'r' then
    call('HSET', k.info, owner, c .. ':' .. label)
    mark(k, mode, owner, slots, ttl)
    else
    call('HSET', k.info, owner, c .. ':' .. slots .. (limit and '/' .. limit or '') .. ':' .. label)
    mark(k, mode, owner, slots, ttl)
    end
    end
    local function prolong(k, mode, owner, slots, ttl, rest)
    if mode == 'x' or mode == 'w' then
    local left = call('PTTL', k.hold)
    if left < 0 then
    ttl = math.max(ttl, rest or 0)
    end
    if left < ttl then
    call('PEXPIRE', k.hold, ttl)
    end
    return
    end
    local member = mode == 'r' and owner or owner .. ':' .. match(slots, '^%d+')
    if tonumber(call('ZSCORE', k.set, member) or 0) < now + ttl then
    keep(k, k.info, ttl)
    mark(k, mode, owner, slots, ttl)
    else
    for _, key in ipairs({ k.set, k.info }) do
    if call('PTTL', key) < 0 then
    keep(k, key, ttl)
    end
    end
    end
    end
    local function drop(k, mode, owner)
    sweep(k)
    local c, slots = found(k, mode, owner)
    if not c then
    return 0
    end
    if mode == 'x' or mode == 'w' then
    call('DEL', k.hold)
    return 1
    end
    call('HDEL', k.info, owner)
    if mode == 'r' then
    call('ZREM', k.set, owner)
    else
    for slot in string.gmatch(slots, '%d+') do
    call('ZREM', k.set, owner .. ':' .. slot)
    end
    end
    return 1
    end
    local function obstacle(k, mode, slots)
    if mode == 'p' then
    local wanted, last = {}, nil
    for slot in string.gmatch(slots, '%d+') do
    wanted[slot] = true
    end
    local entries = call('ZRANGE', k.set, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
    if wanted[match(entries[i], '%d+$')] then
    last = math.max(last or 0, entries[i + 1] - now)
    end
    end
    return last, '*'
    end
    local held = stringAt(k.hold)
    if held ~= nil then
    local who = held and match(held, '^(%x%x%x%x%x%x%x%x)%x+:%d+:') or '*'
    local left = call('PTTL', k.hold)
    return left < 0 and -1 or left, who
    end
    if mode == 'w' then
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    if last then
    return last - now, '*'
    end
    end
    return nil
    end
    local function takenSlots(k, owner, limit)
    local slots, seen, other = {}, {}, nil
    for _, member in ipairs(call('ZRANGE', k.set, 0, -1)) do
    local token, slot = match(member, '^([^:]*):(%d+)$')
    if token ~= owner then
    slots[#slots + 1] = slot
    local its = not other and not seen[token] and match(call('HGET', k.info, token) or '', '^%d+:[%d,]*/(%d+):')
    seen[token] = true
    other = other or its and its ~= limit and its
    end
    end
    return table.concat(slots, ',') .. (other and ' ' .. other or '')
    end
    local function raise(k, to)
    local last = lastOf(k.fence)
    if last and last < to then
    call('SET', k.fence, text(to))
    end
    return last ~= nil
    end
  `),
  mark: lua(`
    local SWEPT_PER_SET = 16
    local function sweepMarks(marks, ends)
    for _, name in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, SWEPT_PER_SET)) do
    call('HDEL', marks, name)
    call('ZREM', ends, name)
    end
    end
    local function markOf(marks, name)
    local token, setAt, endsAt, kept, label = match(call('HGET', marks, name) or '', '^(%x*):(%d+):(%d+):(%d):(.*)$')
    if token and tonumber(endsAt) > now then
    return { token = token, setAt = tonumber(setAt), endsAt = tonumber(endsAt), kept = kept == '1', label = label }
    end
    return nil
    end
    local function writeMark(marks, ends, name, mark)
    local head = mark.token .. ':' .. text(mark.setAt) .. ':' .. text(mark.endsAt) .. ':' .. (mark.kept and '1:' or '0:')
    call('HSET', marks, name, head .. mark.label)
    call('ZADD', ends, text(mark.endsAt), name)
    for _, key in ipairs({ marks, ends }) do
    call('PEXPIRE', key, text(math.max(mark.endsAt - now + 1000, call('PTTL', key))))
    end
    end
    local function toldMark(mark)
    if not mark then
    return '-'
    end
    return sub(mark.token, 1, 8) .. sub(mark.token, 33) .. ' ' .. text(now - mark.setAt) .. ' ' .. text(mark.endsAt - now) .. ' ' .. mark.label
    end
  `),
  node: lua(`
    local call = redis.call
    local sub, match = string.sub, string.match
    local time = call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local micros = time[1] * 1000000 + time[2]
    local MAX_TTL, QUARANTINE, BOUND, MANAGER = match(ARGV[1], '^(%d+) (%d+) (%d+) (%x*)$')
    local function text(number)
    return string.format('%.0f', number)
    end
    local function lastOf(fenceKey)
    local last = redis.pcall('GET', fenceKey)
    if not last then
    return 0
    end
    last = type(last) == 'string' and match(last, '^%d+$') and tonumber(last)
    return last and last <= 9000000000000000 and last or nil
    end
    local function abstains()
    local known, maxTtl, over = match(call('GET', KEYS[1]) or '', '^(%x+) (%d+) (%d+)$')
    if maxTtl and maxTtl ~= MAX_TTL then
    return 'm' .. maxTtl
    end
    local info = call('INFO', 'server')
    if not known or not string.find(info, 'run_id:' .. known .. '\\r', 1, true) then
    over = text(now + QUARANTINE)
    call('SET', KEYS[1], match(info, 'run_id:(%x+)') .. ' ' .. MAX_TTL .. ' ' .. over)
    end
    if now < tonumber(over) then
    return 'q' .. text(over - now)
    end
    return nil
    end
  `),
  waiters: lua(`
    local WAITS_MS, WOKEN_MS, TURN_MS, RECENT_MS = 2500, 1000, 100, 100
    local INTENT_MS, WRITER_POLL_MS = 1900, 1500
    local function note(k, field, since, ms)
    call('HSET', k.waiters, field, text(since) .. ' ' .. text(now + ms))
    call('PEXPIRE', k.waiters, 3000)
    end
    local function enrol(k, mode, permits, limit)
    local field = MANAGER .. ':' .. mode .. ':' .. permits .. ':' .. limit
    local since, expiry = match(call('HGET', k.waiters, field) or '', '^(%d+) (%d+)$')
    note(k, field, expiry and tonumber(expiry) > now and tonumber(since) or now, WAITS_MS)
    end
    local function leave(k, mode, permits, limit)
    call('HDEL', k.waiters, MANAGER .. ':' .. mode .. ':' .. permits .. ':' .. limit)
    end
    local function waiting(k)
    local readers, others, turn = {}, {}, false
    local entries = call('HGETALL', k.waiters)
    for i = 1, #entries, 2 do
    local since, expiry = match(entries[i + 1], '^(%d+) (%d+)$')
    since, expiry = tonumber(since), tonumber(expiry)
    if expiry <= now then
    call('HDEL', k.waiters, entries[i])
    elseif entries[i] == 't' then
    turn = true
    else
    local id, mode, permits, limit = match(entries[i], '^(%x*):(%a):(%d+):(%d+)$')
    local list = mode == 'r' and readers or others
    list[#list + 1] = {
    field = entries[i],
    id = id,
    mode = mode,
    permits = tonumber(permits),
    limit = tonumber(limit),
    since = since,
    expiry = expiry,
    }
    end
    end
    local function before(a, b)
    return a.since < b.since or (a.since == b.since and a.field < b.field)
    end
    table.sort(readers, before)
    table.sort(others, before)
    return readers, others, turn
    end
    local function writersWaitFor(k)
    local _, others, turn = waiting(k)
    local longest = 0
    for _, waiter in ipairs(others) do
    longest = math.max(longest, waiter.expiry - now - (WAITS_MS - INTENT_MS))
    end
    return not turn and longest > 0 and longest or nil
    end
    local function tell(k, waiter)
    if call('PUBLISH', 'holdfast.wake:' .. waiter.id, '|' .. k.hold) == 0 then
    call('HDEL', k.waiters, waiter.field)
    return false
    end
    note(k, waiter.field, waiter.since, math.min(WOKEN_MS, waiter.expiry - now))
    return true
    end
    local function tellFirst(k, list)
    for _, waiter in ipairs(list) do
    if tell(k, waiter) then
    return true
    end
    end
    return false
    end
    local function tellAll(k, list)
    for _, waiter in ipairs(list) do
    tell(k, waiter)
    end
    end
    local function recent(list)
    local kept = {}
    for _, waiter in ipairs(list) do
    if waiter.expiry >= now + WAITS_MS - RECENT_MS then
    kept[#kept + 1] = waiter
    end
    end
    return kept
    end
    local function behind(k, list)
    local ordered, own = {}, {}
    for _, waiter in ipairs(list) do
    if waiter.id == MANAGER then
    waiter.since = now
    note(k, waiter.field, now, waiter.expiry - now)
    own[#own + 1] = waiter
    else
    ordered[#ordered + 1] = waiter
    end
    end
    for _, waiter in ipairs(own) do
    ordered[#ordered + 1] = waiter
    end
    return ordered
    end
    local function wake(k, mode, freed, quiet)
    if call('EXISTS', k.waiters) == 0 then
    return
    end
    local readers, others, turn = waiting(k)
    if quiet then
    readers, others = recent(readers), recent(others)
    end
    if mode == 'p' then
    local used = call('ZCARD', k.set)
    for _, waiter in ipairs(behind(k, others)) do
    if used + waiter.permits <= waiter.limit and tell(k, waiter) then
    used = used + waiter.permits
    end
    end
    elseif stringAt(k.hold) ~= nil then
    return
    elseif mode == 'x' then
    tellFirst(k, others)
    elseif #readers > 0 and (turn or freed == 'w' or #others == 0) then
    if #others > 0 and not turn then
    note(k, 't', 0, TURN_MS)
    end
    tellAll(k, readers)
    elseif call('ZCARD', k.set) == 0 and not tellFirst(k, others) then
    tellAll(k, readers)
    end
    end
  `),
};

export const scripts = {
  acquire: {
    name: 'acquire',
    sha: '7bad2501e3d463bf65fe670b0a004ba847d1b34b',
    source: [
      shared.node,
      shared.deadline,
      lua(`
        local replies = {}
        local why = abstains()
        if why then
        for i = 4, #ARGV do
        replies[i - 3] = why
        end
        replies[#ARGV - 2] = now
        return replies
        end
        local LONGEST = MAX_TTL * 1.2 + 2000
        local function draw(fenceKey, hint)
        local fence = lastOf(fenceKey)
        if not fence then
        return nil
        end
        local c = text(math.max(fence + 1, math.min(math.max(hint, micros - BOUND), micros + BOUND)))
        call('SET', fenceKey, c)
        return c
        end
        local at, arg = 2, 4
        while ARGV[arg] do
        local owner, ttl, hint, label = match(ARGV[arg], '^x (%x+) (%d+) (%d+) [01] (.*)$')
        if not owner or tonumber(ttl) > LONGEST or call('EXISTS', KEYS[at], KEYS[at + 1]) > 0 then
        break
        end
        local c = draw(KEYS[at + 2], tonumber(hint))
        if c then
        call('SET', KEYS[at], owner .. ':' .. c .. ':' .. label, 'PX', ttl)
        end
        replies[arg - 3] = c and 'g' .. c or 'f'
        at, arg = at + 3, arg + 1
        end
        if not ARGV[arg] then
        replies[arg - 3] = now
        return replies
        end
      `),
      shared.alone,
      shared.hold,
      shared.waiters,
      lua(`
        local function vote(k, mode, owner, ttl, hint, waits, slots, limit, label)
        if ttl > LONGEST then
        return 't'
        end
        sweep(k)
        if waits then
        call('HGET', k.waiters, '')
        end
        local c, had = found(k, mode, owner)
        if c then
        prolong(k, mode, owner, had, ttl)
        return 'g' .. c
        end
        local permits = 1
        if mode == 'p' then
        permits = select(2, string.gsub(slots, '%d+', ''))
        end
        local left, who = obstacle(k, mode, slots)
        if not left and mode == 'r' then
        left, who = writersWaitFor(k), '*'
        end
        if left then
        if mode == 'x' and stringAt(k.hold) == false then
        return 'w'
        end
        if waits then
        enrol(k, mode, permits, limit)
        if mode == 'w' and (left < 0 or left > WRITER_POLL_MS) then
        left = WRITER_POLL_MS
        end
        end
        return 'b' .. text(left) .. ' ' .. who
        end
        c = draw(k.fence, hint)
        if not c then
        return 'f'
        end
        place(k, mode, owner, c, slots, ttl, label, limit)
        if waits then
        leave(k, mode, permits, limit)
        end
        return 'g' .. c
        end
        local function voteAndTell(k, mode, owner, ttl, hint, waits, slots, limit, label)
        local reply = vote(k, mode, owner, ttl, hint, waits, slots, limit, label)
        return mode == 'p' and reply .. ' ' .. takenSlots(k, owner, limit) or reply
        end
        for i = arg, #ARGV do
        local mode, owner, ttl, hint, waits, label = match(ARGV[i], '^(%a) (%x+) (%d+) (%d+) ([01]) (.*)$')
        local slots, limit = '', '1'
        if mode == 'p' then
        slots, limit, label = match(label, '^([%d,]+) (%d+) (.*)$')
        end
        local k
        k, at = keysOf(mode, at)
        replies[i - 3] = alone('w', voteAndTell, k, mode, owner, tonumber(ttl), tonumber(hint), waits == '1', slots, limit, label)
        end
        replies[#ARGV - 2] = now
        return replies
      `),
    ].join('\n'),
  },
  confirm: {
    name: 'confirm',
    sha: '5dc10fc073e8e1fa33a8e0336d2f5efa5a2547f7',
    source: [
      shared.node,
      shared.alone,
      shared.hold,
      lua(`
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
      `),
    ].join('\n'),
  },
  extend: {
    name: 'extend',
    sha: '4604ad926c69d84f568d6d0f69f2349be2d73bac',
    source: [
      shared.node,
      shared.deadline,
      shared.alone,
      shared.hold,
      lua(`
        local why, asked = nil, false
        local function extend(k, mode, owner, c, token, ttl, rest, repair, slots, label)
        sweep(k)
        local stands, had = found(k, mode, owner)
        if stands then
        prolong(k, mode, owner, had, ttl, rest)
        raise(k, token)
        return stands == c and '1' or 'c' .. stands
        end
        if repair ~= '1' then
        return '0'
        end
        if not asked then
        why, asked = abstains(), true
        end
        local last = not why and lastOf(k.fence)
        if not last or obstacle(k, mode, slots) then
        return '0'
        end
        local new = text(math.max(last + 1, token))
        call('SET', k.fence, new)
        place(k, mode, owner, new, slots, ttl, label)
        return 'c' .. new
        end
        local replies = {}
        local at = 2
        for i = 4, #ARGV do
        local mode, owner, c, token, ttl, rest, repair, slots, label =
        match(ARGV[i], '^(%a) (%x+) (%d+) (%d+) (%d+) (%d+) ([01]) (%S+) (.*)$')
        local k
        k, at = keysOf(mode, at)
        replies[i - 3] = alone('0', extend, k, mode, owner, c, tonumber(token), tonumber(ttl), tonumber(rest), repair, slots, label)
        end
        replies[#ARGV - 2] = now
        return replies
      `),
    ].join('\n'),
  },
  forceRelease: {
    name: 'forceRelease',
    sha: '979bed1a35625331c4989b255df070e1b3ff7d84',
    source: [
      shared.node,
      shared.hold,
      shared.waiters,
      lua(`
        local mode = ARGV[2]
        local k = keysOf(mode, 2)
        sweep(k)
        local freed = 0
        if mode ~= 'p' then
        local held = stringAt(k.hold)
        if held == false then
        return { -1, now }
        end
        if held then
        call('DEL', k.hold)
        freed = 1
        end
        end
        if k.set and call('ZCARD', k.set) > 0 then
        call('DEL', k.set, k.info)
        freed = 1
        end
        wake(k, mode, mode, false)
        return { freed, now }
      `),
    ].join('\n'),
  },
  inspect: {
    name: 'inspect',
    sha: '1c5a7ad936f6d44ed35d69e8fef9c1c2d1e4d6f3',
    source: [
      shared.node,
      shared.hold,
      shared.waiters,
      lua(`
        local mode = ARGV[2]
        local k, linesAt = keysOf(mode, 2)
        sweep(k)
        local count, first, noted = 0, now + 1, {}
        local lines = call('HGETALL', KEYS[linesAt])
        for i = 1, #lines, 2 do
        local waiters, since, over = match(lines[i + 1], '^(%d+) (%d+) (%d+)$')
        if over and tonumber(over) > now then
        noted[lines[i]] = true
        count, first = count + waiters, math.min(first, tonumber(since))
        end
        end
        local readers, others = waiting(k)
        for _, list in ipairs({ readers, others }) do
        for _, waiter in ipairs(list) do
        if not noted[waiter.id] then
        count, first = count + 1, math.min(first, waiter.since)
        end
        end
        end
        local reply = { count, now - first }
        local function add(held, id, c, permits, label, left)
        local age = id ~= '' and math.max(0, math.floor((micros - c) / 1000)) or -1
        for _, value in ipairs({ held, id, c, permits, label, left, age }) do
        reply[#reply + 1] = value
        end
        end
        if mode ~= 'p' then
        local held = stringAt(k.hold)
        if held == false then
        return { { -1 }, now }
        end
        if held then
        local owner, c, label = match(held, '^(%x+):(%d+):(.*)$')
        if owner and #owner == 32 then
        add(mode, sub(owner, 1, 16), c, 1, label, call('PTTL', k.hold))
        else
        add(mode, '', 0, 1, '', call('PTTL', k.hold))
        end
        end
        end
        if k.set then
        local entries = call('ZRANGE', k.set, 0, -1, 'WITHSCORES')
        local seen = {}
        for i = 1, #entries, 2 do
        local owner = match(entries[i], '^[^:]*')
        local entry = not seen[owner] and call('HGET', k.info, owner)
        seen[owner] = true
        if entry and mode == 'p' then
        local c, slots, label = match(entry, '^(%d+):([%d,]*)[/%d]*:(.*)$')
        local _, permits = string.gsub(slots, '%d+', '')
        add('p', sub(owner, 1, 16), c, permits, label, entries[i + 1] - now)
        elseif entry then
        local c, label = match(entry, '^(%d+):(.*)$')
        add('r', sub(owner, 1, 16), c, 1, label, entries[i + 1] - now)
        end
        end
        end
        return { reply, now }
      `),
    ].join('\n'),
  },
  listMarks: {
    name: 'listMarks',
    sha: '475984fad90409dadfa9ea5a4dee20c1cbf32644',
    source: [
      shared.node,
      shared.mark,
      lua(`
        local page = call('HSCAN', KEYS[2], ARGV[2], 'COUNT', 500)
        local list = { page[1] }
        for i = 1, #page[2], 2 do
        if markOf(KEYS[2], page[2][i]) then
        list[#list + 1] = page[2][i]
        end
        end
        return { list, now }
      `),
    ].join('\n'),
  },
  mark: {
    name: 'mark',
    sha: 'f0b0bd6b598639628b208a05ea341458fe4c820b',
    source: [
      shared.node,
      shared.mark,
      lua(`
        local function settle(marks, ends, name, what, token, ms)
        local mark = markOf(marks, name)
        if not mark or mark.token ~= token then
        return '0'
        end
        if not mark.kept and what == 'keep' then
        mark.endsAt, mark.kept = now + ms, true
        writeMark(marks, ends, name, mark)
        elseif not mark.kept then
        call('HDEL', marks, name)
        call('ZREM', ends, name)
        end
        return '1'
        end
        local why
        local replies = {}
        for i = 2, #ARGV, 2 do
        local marks, ends = KEYS[i], KEYS[i + 1]
        local what, token, ms = match(ARGV[i + 1], '^(%a+) ?(%x*) ?(%d*)$')
        if what == 'read' then
        why = why or abstains() or ''
        replies[#replies + 1] = why ~= '' and why or toldMark(markOf(marks, ARGV[i]))
        else
        replies[#replies + 1] = settle(marks, ends, ARGV[i], what, token, tonumber(ms))
        end
        end
        replies[#replies + 1] = now
        return replies
      `),
    ].join('\n'),
  },
  node: {
    name: 'node',
    sha: 'f647d54d934b51975bedddeee9b5ae706ae21d36',
    source: [
      shared.node,
      lua(`
        local run = match(call('INFO', 'server'), 'run_id:(%x+)')
        local marker = call('GET', KEYS[1])
        local opened = run .. ' ' .. MAX_TTL .. ' 0'
        local done = 0
        if ARGV[2] == 'open' and not marker then
        marker = opened
        call('SET', KEYS[1], marker)
        done = 1
        elseif ARGV[2] == 'close' and marker == opened then
        marker = false
        call('DEL', KEYS[1])
        done = 1
        end
        local broken = 0
        for i = 2, #KEYS do
        if not lastOf(KEYS[i]) then
        broken = broken + 1
        end
        end
        local known, maxTtl, over = match(marker or '', '^(%x+) (%d+) (%d+)$')
        return { { run, known or '', tonumber(maxTtl or 0), math.max(0, tonumber(over or 0) - now), text(micros), done, broken }, now }
      `),
    ].join('\n'),
  },
  noteWaiters: {
    name: 'noteWaiters',
    sha: 'be4ea814deca1970857ae5a467357603e96078c0',
    source: [
      shared.node,
      shared.alone,
      lua(`
        local function forgetOver(key)
        local lines = call('HGETALL', key)
        for i = 1, #lines, 2 do
        local over = match(lines[i + 1], ' (%d+)$')
        if not over or tonumber(over) <= now then
        call('HDEL', key, lines[i])
        end
        end
        end
        local function note(key, waiters, waited, valid)
        if waiters == '0' then
        call('HDEL', key, MANAGER)
        else
        call('HSET', key, MANAGER, waiters .. ' ' .. text(now - waited) .. ' ' .. text(now + valid))
        call('PEXPIRE', key, valid)
        forgetOver(key)
        end
        end
        local replies = {}
        for i = 2, #ARGV do
        local waiters, waited, valid = match(ARGV[i], '^(%d+) (%d+) (%d+)$')
        alone(nil, note, KEYS[i], waiters, waited, valid)
        replies[i - 1] = 1
        end
        replies[#ARGV] = now
        return replies
      `),
    ].join('\n'),
  },
  release: {
    name: 'release',
    sha: '282a57f21d2d960f1fb846c5a073e708bd0bfe4d',
    source: [
      shared.node,
      lua(`
        local replies = {}
        local at, arg = 2, 2
        while ARGV[arg] do
        local owner = match(ARGV[arg], '^x (%x+) ')
        if not owner or call('EXISTS', KEYS[at + 1]) == 1 then
        break
        end
        owner = owner .. ':'
        local held = redis.pcall('GET', KEYS[at])
        if type(held) == 'string' and sub(held, 1, #owner) == owner then
        call('DEL', KEYS[at])
        replies[arg - 1] = 1
        else
        replies[arg - 1] = 0
        end
        at, arg = at + 3, arg + 1
        end
        if not ARGV[arg] then
        replies[arg - 1] = now
        return replies
        end
      `),
      shared.alone,
      shared.hold,
      shared.waiters,
      lua(`
        for i = arg, #ARGV do
        local mode, owner, quiet = match(ARGV[i], '^(%a) (%x+) ([01])$')
        local k
        k, at = keysOf(mode, at)
        local freed = alone(0, drop, k, mode, owner)
        if freed == 1 then
        alone(nil, wake, k, mode, mode, quiet == '1')
        end
        replies[i - 1] = freed
        end
        replies[#ARGV] = now
        return replies
      `),
    ].join('\n'),
  },
  setMark: {
    name: 'setMark',
    sha: '1ffc47d5a0b7fc46c81f54fba5cdef30adf40caa',
    source: [
      shared.node,
      shared.deadline,
      shared.mark,
      lua(`
        local function set(marks, ends, name, token, ms, label)
        sweepMarks(marks, ends)
        local mark = markOf(marks, name)
        if not mark then
        mark = { token = token, setAt = now, endsAt = now + ms, kept = false, label = label }
        writeMark(marks, ends, name, mark)
        end
        return toldMark(mark)
        end
        local function delete(marks, ends, name)
        local stood = markOf(marks, name) and '1' or '0'
        call('HDEL', marks, name)
        call('ZREM', ends, name)
        return stood
        end
        local why = abstains()
        local replies = {}
        for i = 4, #ARGV, 2 do
        local marks, ends = KEYS[i - 2], KEYS[i - 1]
        local token, ms, label = match(ARGV[i + 1], '^set (%x+) (%d+) (.*)$')
        if token then
        replies[#replies + 1] = why or set(marks, ends, ARGV[i], token, tonumber(ms), label)
        else
        replies[#replies + 1] = delete(marks, ends, ARGV[i])
        end
        end
        replies[#replies + 1] = now
        return replies
      `),
    ].join('\n'),
  },
  withdraw: {
    name: 'withdraw',
    sha: '5e73a4d8b2f67792fdd21c56884335d96bd982d3',
    source: [
      shared.node,
      shared.hold,
      shared.waiters,
      lua(`
        local mode, permits, limit = match(ARGV[2], '^(%a) (%d+) (%d+)$')
        local k = keysOf(mode, 2)
        sweep(k)
        leave(k, mode, permits, limit)
        wake(k, mode, nil, false)
        return { 1, now }
      `),
    ].join('\n'),
  },
} as const satisfies Record<string, Script>;
