/*
 * What may befall a worker between itself and its libc (LD_PRELOAD), as the files of the folder say
 * that INTERREX_HARM names. Each is read anew at every call, so a test can change its mind.
 *
 *   clock    seconds, by which the wall clock is wrong. No other clock ever is.
 *   disks    lines of a folder, an errno and milliseconds: a sync of what lies in the folder takes
 *            so long and then fails, where the errno is not 0. Failed ones are told in `failed`,
 *            a line of the process id each.
 *   last     lines of bytes in hexadecimal, ?? for any: the first process that has handed one of
 *            them to the kernel to be sent, whole, is killed before it does anything else. It
 *            leaves its process id in `died`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { LONGEST_LINE = PATH_MAX + 64, MOST_BYTES = 256 };

static FILE *opened(const char *name, const char *mode)
{
    const char *folder = getenv("INTERREX_HARM");
    char path[PATH_MAX];
    if (folder == NULL || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return NULL;
    return fopen(path, mode);
}

static void sign(const char *name)
{
    FILE *file = opened(name, "ae");
    if (file != NULL) {
        fprintf(file, "%d\n", getpid());
        fclose(file);
    }
}

/* The wall clock */

static long wrong_by(void)
{
    FILE *file = opened("clock", "re");
    long seconds = 0;
    if (file != NULL) {
        if (fscanf(file, "%ld", &seconds) != 1)
            seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = REAL(clock_gettime)(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += wrong_by();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int result = REAL(gettimeofday)(now, zone);
    if (result == 0)
        now->tv_sec += wrong_by();
    return result;
}

time_t time(time_t *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where != NULL)
        *where = now.tv_sec;
    return now.tv_sec;
}

/* Disks */

static bool lies_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The errno with which a sync of this file is to fail, once its time is over. */
static int harm_of(int descriptor)
{
    char link[64], path[PATH_MAX], folder[LONGEST_LINE];
    int error, pause_ms, harm = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    FILE *file = length < 0 ? NULL : opened("disks", "re");
    if (file == NULL)
        return 0;
    path[length] = '\0';
    while (fscanf(file, "%4095s %d %d", folder, &error, &pause_ms) == 3) {
        if (lies_in(path, folder)) {
            struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000L};
            nanosleep(&pause, NULL);
            harm = error;
        }
    }
    fclose(file);
    if (harm != 0)
        sign("failed");
    return harm;
}

static int synced(int descriptor, int (*sync)(int))
{
    int error = harm_of(descriptor);
    if (error == 0)
        return sync(descriptor);
    errno = error;
    return -1;
}

int fsync(int descriptor)
{
    return synced(descriptor, REAL(fsync));
}

int fdatasync(int descriptor)
{
    return synced(descriptor, REAL(fdatasync));
}

/* Last words */

/* A line's bytes, -1 for any; returns how many. */
static size_t bytes_of(const char *line, int *bytes)
{
    size_t count = 0;
    unsigned byte;
    for (; count < MOST_BYTES && line[0] > ' ' && line[1] > ' '; line += 2)
        bytes[count++] = line[0] != '?' && sscanf(line, "%2x", &byte) == 1 ? (int)byte : -1;
    return count;
}

static bool has(const struct iovec *data, const int *bytes, size_t count)
{
    const unsigned char *from = data->iov_base;
    for (size_t at = 0; count > 0 && at + count <= data->iov_len; at++) {
        size_t same = 0;
        while (same < count && (bytes[same] < 0 || bytes[same] == from[at + same]))
            same++;
        if (same == count)
            return true;
    }
    return false;
}

static void die_if_last(const struct iovec *parts, size_t number, ssize_t sent)
{
    char line[LONGEST_LINE], path[PATH_MAX];
    int bytes[MOST_BYTES];
    bool last = false;
    size_t whole = 0;
    int error = errno;
    FILE *file = opened("last", "re");
    if (file == NULL) {
        errno = error;
        return;
    }
    for (size_t part = 0; part < number; part++)
        whole += parts[part].iov_len;
    while (sent >= 0 && (size_t)sent == whole && fgets(line, sizeof line, file) != NULL) {
        size_t count = bytes_of(line, bytes);
        for (size_t part = 0; part < number; part++)
            last = last || has(&parts[part], bytes, count);
    }
    fclose(file);
    snprintf(path, sizeof path, "%s/last", getenv("INTERREX_HARM"));
    if (last && unlink(path) == 0) { /* nobody was before us */
        sign("died");
        kill(getpid(), SIGKILL);
    }
    errno = error;
}

ssize_t write(int descriptor, const void *data, size_t size)
{
    struct iovec part = {(void *)data, size};
    ssize_t sent = REAL(write)(descriptor, data, size);
    die_if_last(&part, 1, sent);
    return sent;
}

ssize_t send(int descriptor, const void *data, size_t size, int flags)
{
    struct iovec part = {(void *)data, size};
    ssize_t sent = REAL(send)(descriptor, data, size, flags);
    die_if_last(&part, 1, sent);
    return sent;
}

ssize_t writev(int descriptor, const struct iovec *parts, int number)
{
    ssize_t sent = REAL(writev)(descriptor, parts, number);
    die_if_last(parts, number, sent);
    return sent;
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    ssize_t sent = REAL(sendmsg)(descriptor, message, flags);
    die_if_last(message->msg_iov, message->msg_iovlen, sent);
    return sent;
}
