/*
 * A small HTTP/1.1 server for tests and benches: one thread, epoll, keep-alive, up in about 1 ms.
 *
 *   tiny --port N [--address 127.0.0.1] [--name TEXT] [--log FILE] [--ignore-term]
 *
 *   /healthz      200
 *   /status/CODE  answers CODE
 *   /delay/MS     answers 200 after MS milliseconds
 *   /pid          200, the process id as the body
 *   /die          dies having read the request and answered nothing
 *   else          200, the name as the body
 *
 * Every request is logged as "METHOD PATH NAME" by one append to FILE before it is carried out, so
 * a request executed twice is seen twice. "Connection: close" is obeyed. SIGTERM: no new
 * connections, what was begun is finished.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 16384, BUFFER = 16384, EVENTS = 256 };

struct connection {
    int open;
    int closing;     /* the client said "Connection: close" */
    int status;      /* of the answer that waits for `due` */
    long due;        /* ms; 0: no answer waits */
    size_t have;     /* bytes in `buffer` */
    size_t body;     /* bytes of a request's body still to be thrown away */
    char buffer[BUFFER];
};

static struct connection *connections[MAX_FDS];
static const char *name = "tiny";
static int log_fd = -1, epoll_fd, listener, waiting, highest;
static volatile sig_atomic_t stopping;

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void on_term(int signal) {
    (void)signal;
    stopping = 1;
}

static void drop(int fd) {
    if (connections[fd]->due)
        waiting--;
    connections[fd]->open = 0;
    connections[fd]->due = 0;
    close(fd);
}

static int reply(int fd, int status, const char *body) {
    char out[1024];
    int size = snprintf(out, sizeof out,
                        "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
                        status, status < 400 ? "OK" : "Error", strlen(body),
                        stopping || connections[fd]->closing ? "Connection: close\r\n" : "",
                        body);
    return send(fd, out, (size_t)size, MSG_NOSIGNAL) == size ? 0 : -1;
}

/* Carries out one request; -1 when the connection has to be closed. */
static int handle(int fd, struct connection *c, char *head) {
    char method[16] = "", path[256] = "", text[300];
    if (sscanf(head, "%15s %255s", method, path) != 2)
        return -1;
    if (log_fd >= 0) {
        int size = snprintf(text, sizeof text, "%s %s %s\n", method, path, name);
        if (size >= (int)sizeof text || write(log_fd, text, (size_t)size) != size)
            return -1;
    }
    if (!strcmp(path, "/die"))
        _exit(1);
    if (!strncmp(path, "/delay/", 7)) {
        c->due = now_ms() + atol(path + 7);
        c->status = 200;
        waiting++;
        return 0;
    }
    if (!strncmp(path, "/status/", 8))
        return reply(fd, atoi(path + 8), name);
    if (!strcmp(path, "/pid")) {
        snprintf(text, sizeof text, "%d", (int)getpid());
        return reply(fd, 200, text);
    }
    return reply(fd, 200, name);
}

/* Takes whole requests out of the buffer, one after the other. */
static int consume(int fd, struct connection *c) {
    size_t at = 0;
    while (at < c->have && !c->due) {
        if (c->body) {
            size_t skip = c->body < c->have - at ? c->body : c->have - at;
            c->body -= skip;
            at += skip;
            continue;
        }
        if (c->closing)
            break;
        char *head = c->buffer + at;
        char *end = memmem(head, c->have - at, "\r\n\r\n", 4);
        if (!end)
            break;
        *end = 0;
        char *length = strcasestr(head, "\r\ncontent-length:");
        if (length)
            c->body = strtoul(length + 17, NULL, 10);
        if (strcasestr(head, "\r\nconnection: close"))
            c->closing = 1;
        at = (size_t)(end + 4 - c->buffer);
        if (handle(fd, c, head) < 0)
            return -1;
    }
    memmove(c->buffer, c->buffer + at, c->have - at);
    c->have -= at;
    return c->closing && !c->due && !c->body ? -1 : 0;
}

static void on_readable(int fd) {
    struct connection *c = connections[fd];
    while (c->open) {
        if (c->have == BUFFER) { /* a head too long, or pipelined behind a waiting answer */
            drop(fd);
            return;
        }
        ssize_t got = recv(fd, c->buffer + c->have, BUFFER - c->have, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(fd);
            return;
        }
        int full = (size_t)got == BUFFER - c->have;
        c->have += (size_t)got;
        if (consume(fd, c) < 0) {
            drop(fd);
            return;
        }
        if (!full)
            return;
    }
}

static void on_connection(void) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!connections[fd] && !(connections[fd] = malloc(sizeof *connections[fd])))
            fail("malloc");
        struct connection *c = connections[fd];
        c->open = 1;
        c->due = c->closing = 0;
        c->have = c->body = 0;
        if (fd > highest)
            highest = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

static void answer_the_due(void) {
    long now = now_ms();
    for (int fd = 0; fd <= highest && waiting; fd++) {
        struct connection *c = connections[fd];
        if (!c || !c->open || !c->due || c->due > now)
            continue;
        c->due = 0;
        waiting--;
        if (reply(fd, c->status, name) < 0 || consume(fd, c) < 0)
            drop(fd);
    }
}

/* Closes what is idle; the process ends with the last answer. */
static void wind_down(void) {
    if (listener >= 0) {
        close(listener);
        listener = -1;
    }
    for (int fd = 0; fd <= highest; fd++)
        if (connections[fd] && connections[fd]->open && !connections[fd]->due)
            drop(fd);
    if (!waiting)
        exit(0);
}

static void listen_on(const char *address, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
        fail("address");
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0)
        fail("bind");
    if (listen(listener, 4096) < 0)
        fail("listen");
}

int main(int count, char **arguments) {
    const char *address = "127.0.0.1";
    int port = 0;
    struct sigaction term = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--ignore-term")) {
            signal(SIGTERM, SIG_IGN);
            continue;
        }
        if (i + 1 == count) {
            fprintf(stderr, "%s needs a value\n", arguments[i]);
            return 2;
        }
        const char *option = arguments[i], *value = arguments[++i];
        if (!strcmp(option, "--port"))
            port = atoi(value);
        else if (!strcmp(option, "--address"))
            address = value;
        else if (!strcmp(option, "--name"))
            name = value;
        else if (!strcmp(option, "--log")) {
            if ((log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
                fail(value);
        } else {
            fprintf(stderr, "unknown option %s\n", option);
            return 2;
        }
    }
    listen_on(address, port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    for (;;) {
        if (stopping)
            wind_down();
        int n = epoll_wait(epoll_fd, events, EVENTS, waiting ? 1 : -1);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                on_connection();
            else
                on_readable(events[i].data.fd);
        }
        if (waiting)
            answer_the_due();
    }
}
