"""Where a request waits while no replica of its service can take it.

HAProxy answers 503 at once when a backend has no server left. The action below yields until the
backend has one again. Who comes while there is none waits in the frontend it came to, and is then
tried like any other. For who was tried already, and lost the last server by that, every backend has
one backup server more: a frontend of the same process on a Unix socket, which is chosen only then.
That one waits too, and passes the request on to one server more. Nothing of this is on the way of a
request while any replica is up.
"""

WAIT_MS = 5_000
"""How long a request waits for a replica before it is answered 503."""
MAX_WAITING = 4_096
"""How many requests may wait at once in a process; the next ones are answered 503."""

WAITING_LUA = f"""\
-- Holds a request while its backend has no server: see waiting.py in Interrex.
local waiting = 0
local ends, first, last = {{}}, 1, 0  -- until when each waits, in the order they came

local function milliseconds()
    local now = core.now()
    return now.sec * 1000 + now.usec / 1000
end

-- Where a client resets its connection amid its body, HAProxy drops the action without another
-- word: who should long have gone counts no more.
local function forget_the_dropped()
    local now = milliseconds()
    while first <= last and (ends[first] or 0) < now do
        if ends[first] then
            ends[first] = nil
            waiting = waiting - 1
        end
        first = first + 1
    end
end

-- Nobody tells a process that a reload has replaced which servers come: who waits in it goes on by
-- the waiting room, whose socket is the next process's then. One that just leaves has none.
local replaced, asked_at = false, 0
local function is_replaced(room)
    local now = milliseconds()
    if not replaced and math.abs(now - asked_at) >= 50 then
        asked_at = now
        if tonumber(core.get_info()["Stopping"]) == 1 then
            local next_one = core.tcp()
            next_one:settimeout(1)
            replaced = next_one:connect(room) ~= nil
            next_one:close()
        end
    end
    return replaced
end

local function wait(txn, name, room)
    local backend = core.backends[name]
    if backend:get_srv_act() > 0 then
        return
    end
    forget_the_dropped()
    if waiting >= {MAX_WAITING} then
        txn:set_var("txn.gave_up", true)
        return
    end
    waiting = waiting + 1
    last = last + 1
    local me, deadline = last, milliseconds() + {WAIT_MS}
    ends[me] = deadline
    repeat
        -- The more wait, the less often each looks: at most some 10,000 looks a second in all.
        core.msleep(math.max(2, waiting // 10))
    until backend:get_srv_act() > 0 or is_replaced(room) or milliseconds() > deadline
    if ends[me] then
        ends[me] = nil
        waiting = waiting - 1
    end
    if backend:get_srv_act() == 0 and not replaced then
        txn:set_var("txn.gave_up", true)
    end
end

core.register_action("wait_for_a_server", {{"http-req"}}, wait, 2)
"""
