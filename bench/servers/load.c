/*
 * A small HTTP/1.1 load: one thread, epoll, connections kept alive. Prints one JSON object.
 *
 *   load (--port N | --unix PATH ...) [--rate R | --closed N] [--seconds S]
 *        [--path /] [--post BODY] [--timeout S]
 *
 * --rate    open loop: requests are sent when they are due, whether others were answered or not,
 *           and latency counts from when a request was due. One that finds no idle connection
 *           opens a new one.
 * --closed  N requests are under way all the time, spread over the sockets.
 * --post    POST this body; {n} in it becomes a number that differs for every request.
 *
 * A GET whose connection breaks before any byte of the answer is sent once more on a new
 * connection, as browsers do; it is counted as retried. A POST never is. SIGINT and SIGTERM end
 * the sending; what is under way is waited for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 16384, BUFFER = 8192, EVENTS = 256, SLOWEST = 12, TARGETS = 8 };
enum state { CLOSED, IDLE, BUSY };

struct connection {
    enum state state;
    double due, sent; /* sent 0: still connecting */
    int tries;
    size_t have;
    char buffer[BUFFER];
};

struct slow {
    double due, took;
};

static struct connection *connections[MAX_FDS];
static int idle[MAX_FDS], idles, highest, epoll_fd, timer_fd;
static struct sockaddr_storage targets[TARGETS];
static socklen_t target_sizes[TARGETS];
static int target_count, next_target;
static const char *path = "/", *body;
static double began, seconds = 10, rate, timeout_s = 15;
static int closed_loop;
static double *latencies, *lateness;
static long capacity, answered, sent_count, due_count, retried, opened, under_way;
static long refused, broken, wrong_status, timed_out;
static struct slow slowest[SLOWEST];
static volatile sig_atomic_t stopping;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

static void note_latency(double due, double took) {
    if (answered == capacity) {
        capacity = capacity ? 2 * capacity : 65536;
        latencies = realloc(latencies, (size_t)capacity * sizeof *latencies);
        lateness = realloc(lateness, (size_t)capacity * sizeof *lateness);
        if (!latencies || !lateness)
            fail("realloc");
    }
    latencies[answered] = took;
    struct slow entry = {due - began, took};
    for (int i = 0; i < SLOWEST; i++)
        if (entry.took > slowest[i].took) {
            struct slow other = slowest[i];
            slowest[i] = entry;
            entry = other;
        }
}

static void forget(int fd) {
    for (int i = 0; i < idles; i++)
        if (idle[i] == fd) {
            idle[i] = idle[--idles];
            break;
        }
    connections[fd]->state = CLOSED;
    close(fd);
}

static void start(double due, int tries, int fresh);

static void give_up(int fd, long *counter) {
    forget(fd);
    (*counter)++;
    under_way--;
    if (closed_loop && !stopping)
        start(now_s(), 0, 1);
}

/* The connection broke: once more where that is harmless, else a failure. */
static void on_broken(int fd, long *counter) {
    struct connection *c = connections[fd];
    if (c->state == IDLE) {
        forget(fd);
        return;
    }
    if (!body && c->have == 0 && c->tries == 0) {
        double due = c->due;
        forget(fd);
        under_way--;
        retried++;
        start(due, 1, 1);
        return;
    }
    give_up(fd, counter);
}

static int open_connection(void) {
    int target = next_target++ % target_count;
    int fd = socket(targets[target].ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= MAX_FDS)
        fail("socket");
    int one = 1;
    if (targets[target].ss_family == AF_INET)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!connections[fd] && !(connections[fd] = malloc(sizeof *connections[fd])))
        fail("malloc");
    if (fd > highest)
        highest = fd;
    opened++;
    struct connection *c = connections[fd];
    c->state = BUSY;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    if (connect(fd, (struct sockaddr *)&targets[target], target_sizes[target]) < 0 &&
        errno != EINPROGRESS)
        return -fd;
    return fd;
}

static int write_request(int fd) {
    char text[2048], filled[1024];
    int size;
    struct connection *c = connections[fd];
    c->sent = now_s();
    if (body) {
        const char *mark = strstr(body, "{n}");
        if (mark)
            snprintf(filled, sizeof filled, "%.*s%ld%s", (int)(mark - body), body, sent_count,
                     mark + 3);
        else
            snprintf(filled, sizeof filled, "%s", body);
        size = snprintf(text, sizeof text,
                        "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %zu\r\n\r\n%s", path,
                        strlen(filled), filled);
    } else
        size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
    sent_count++;
    return send(fd, text, (size_t)size, MSG_NOSIGNAL) == size ? 0 : -1;
}

static void start(double due, int tries, int fresh) {
    int fd, is_new = fresh || !idles;
    under_way++;
    fd = is_new ? open_connection() : idle[--idles];
    struct connection *c = connections[fd < 0 ? -fd : fd];
    c->state = BUSY;
    c->due = due;
    c->tries = tries;
    c->have = 0;
    c->sent = 0;
    if (fd < 0) {
        on_broken(-fd, &refused);
        return;
    }
    if (!is_new && write_request(fd) < 0) /* a new one is written to once it is writable */
        on_broken(fd, &broken);
}

static void on_writable(int fd) {
    struct connection *c = connections[fd];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
    if (error)
        on_broken(fd, &refused);
    else if (c->state == BUSY && c->sent == 0 && write_request(fd) < 0)
        on_broken(fd, &broken);
}

/* 1: a whole answer is there, 0: not yet, -1: it is none. */
static int answer_status(struct connection *c, int *status, int *closing) {
    char *end = memmem(c->buffer, c->have, "\r\n\r\n", 4);
    if (!end)
        return c->have == BUFFER ? -1 : 0;
    *end = 0;
    char *length = strcasestr(c->buffer, "\r\ncontent-length:");
    *closing = strcasestr(c->buffer, "\r\nconnection: close") != NULL;
    size_t whole = (size_t)(end + 4 - c->buffer) + (length ? strtoul(length + 17, NULL, 10) : 0);
    *end = '\r';
    if (sscanf(c->buffer, "HTTP/1.%*d %d", status) != 1)
        return -1;
    return c->have >= whole;
}

static void on_answer(int fd, int status, int closing) {
    struct connection *c = connections[fd];
    double now = now_s();
    if (status == 200) {
        note_latency(c->due, now - c->due);
        lateness[answered++] = c->sent - c->due;
    } else
        wrong_status++;
    under_way--;
    if (closing)
        forget(fd);
    else {
        c->state = IDLE;
        idle[idles++] = fd;
    }
    if (closed_loop && !stopping)
        start(now_s(), 0, 0);
}

static void on_readable(int fd) {
    struct connection *c = connections[fd];
    ssize_t got = recv(fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        on_broken(fd, &broken);
        return;
    }
    if (c->state == IDLE) { /* an answer nobody asked for: a balancer's 408 before closing */
        forget(fd);
        return;
    }
    c->have += (size_t)got;
    int status = 0, closing = 0, whole = answer_status(c, &status, &closing);
    if (whole < 0)
        give_up(fd, &broken);
    else if (whole)
        on_answer(fd, status, closing);
}

static void end_the_late(void) {
    double now = now_s();
    for (int fd = 0; fd <= highest; fd++)
        if (connections[fd] && connections[fd]->state == BUSY &&
            now - connections[fd]->due > timeout_s)
            give_up(fd, &timed_out);
}

static void arm(double at) {
    struct itimerspec when = {.it_value = {(time_t)at, (long)((at - (double)(time_t)at) * 1e9)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Starts what is due; says when the next is. */
static double send_due(void) {
    double now = now_s();
    long total = (long)(rate * seconds);
    while (due_count < total && began + (double)due_count / rate <= now) {
        start(began + (double)due_count / rate, 0, 0);
        due_count++;
    }
    if (due_count == total)
        stopping = 1;
    return began + (double)due_count / rate;
}

static void run(void) {
    struct epoll_event events[EVENTS];
    began = now_s();
    double looked = began;
    for (int i = 0; i < closed_loop; i++)
        start(began, 0, 1);
    while (!stopping || under_way) {
        double wake = now_s() + 0.5;
        if (!stopping && rate > 0)
            wake = send_due();
        if (closed_loop && now_s() - began >= seconds)
            stopping = 1;
        if (stopping && !under_way)
            break;
        arm(wake < now_s() + 0.5 && !stopping ? wake : now_s() + 0.05);
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            unsigned long long fired;
            if (fd == timer_fd) {
                if (read(timer_fd, &fired, sizeof fired) < 0 && errno != EAGAIN)
                    fail("timerfd");
                continue;
            }
            if (connections[fd]->state != CLOSED && events[i].events & EPOLLOUT)
                on_writable(fd);
            if (connections[fd]->state != CLOSED &&
                events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(fd);
        }
        if (now_s() - looked > 0.25) {
            looked = now_s();
            end_the_late();
        }
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(double *sorted, double share) {
    if (!answered)
        return 0;
    long at = (long)(share * (double)answered);
    return 1e3 * sorted[at < answered ? at : answered - 1];
}

static void report(double took) {
    if (answered) {
        qsort(latencies, (size_t)answered, sizeof *latencies, ascending);
        qsort(lateness, (size_t)answered, sizeof *lateness, ascending);
    }
    printf("{\"ok\":%ld,\"failed\":%ld,\"retried\":%ld,\"opened\":%ld,\"seconds\":%.3f,", answered,
           refused + broken + wrong_status + timed_out, retried, opened, took);
    printf("\"refused\":%ld,\"broken\":%ld,\"wrong_status\":%ld,\"timed_out\":%ld,", refused,
           broken, wrong_status, timed_out);
    printf("\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"worst_ms\":%.3f,",
           quantile_ms(latencies, 0.5), quantile_ms(latencies, 0.99),
           quantile_ms(latencies, 0.999), quantile_ms(latencies, 1.0));
    printf("\"sent_late_p99_ms\":%.3f,\"slowest\":[", quantile_ms(lateness, 0.99));
    for (int i = 0; i < SLOWEST && slowest[i].took > 0; i++)
        printf("%s[%.3f,%.3f]", i ? "," : "", slowest[i].due, 1e3 * slowest[i].took);
    printf("]}\n");
}

static void add_target(const char *unix_path, int port) {
    if (target_count == TARGETS)
        exit(2);
    struct sockaddr_storage *at = &targets[target_count];
    if (unix_path) {
        struct sockaddr_un *address = (struct sockaddr_un *)at;
        address->sun_family = AF_UNIX;
        snprintf(address->sun_path, sizeof address->sun_path, "%s", unix_path);
        target_sizes[target_count++] = sizeof *address;
    } else {
        struct sockaddr_in *address = (struct sockaddr_in *)at;
        address->sin_family = AF_INET;
        address->sin_port = htons((unsigned short)port);
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        target_sizes[target_count++] = sizeof *address;
    }
}

int main(int count, char **arguments) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *option = arguments[i], *value = arguments[i + 1];
        if (!strcmp(option, "--port"))
            add_target(NULL, atoi(value));
        else if (!strcmp(option, "--unix"))
            add_target(value, 0);
        else if (!strcmp(option, "--rate"))
            rate = atof(value);
        else if (!strcmp(option, "--closed"))
            closed_loop = atoi(value);
        else if (!strcmp(option, "--seconds"))
            seconds = atof(value);
        else if (!strcmp(option, "--path"))
            path = value;
        else if (!strcmp(option, "--post"))
            body = value;
        else if (!strcmp(option, "--timeout"))
            timeout_s = atof(value);
        else {
            fprintf(stderr, "unknown option %s\n", option);
            return 2;
        }
    }
    if (!target_count || (rate <= 0) == (closed_loop <= 0)) {
        fprintf(stderr, "load (--port N | --unix PATH) (--rate R | --closed N)\n");
        return 2;
    }
    struct sigaction end = {.sa_handler = on_signal};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer_fd};
    if (epoll_fd < 0 || timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) < 0)
        fail("epoll");
    run();
    report(now_s() - began);
    return 0;
}
