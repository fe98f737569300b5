/* What a disk does to a process that preloads this: of the calls that change what is below a folder, the n-th fails,
 * or the process dies at it; and each can be told, in order. Armed by `disk.py`; until then all goes through. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, NAMES = 4 };
enum { THROUGH = 0, FAIL = 1, HALF = 2 };
enum { KILL = -1, TEAR = -2 };

static char folder[PATH_MAX];
static int kinds, fault, and_on, list = -1;
static long nth, seen;

/* `what` is an errno, KILL, or TEAR: half of a write is done before the end. `n` = 0 is never, `list` = -1 nowhere. */
void disk_arm(const char *below, int which, long n, int what, int every_later, int told)
{
    snprintf(folder, sizeof folder, "%s", below);
    kinds = which, nth = n, fault = what, and_on = every_later, list = told, seen = 0;
}

long disk_seen(void) { return seen; }

static int fate_of(int kind, const char *call, const char *path, const char *to)
{
    if (!*folder || strncmp(path, folder, strlen(folder)))
        return THROUGH;
    if ((kinds & kind) && (++seen == nth || (and_on && nth && seen > nth))) {
        if (fault == TEAR && kind == WRITES)
            return HALF;
        if (fault < 0)
            kill(getpid(), SIGKILL);
        errno = fault;
        return FAIL;
    }
    if (list >= 0)
        dprintf(list, "%s\t%s\t%s\n", call, path, to);
    return THROUGH;
}

static int fate(int kind, const char *call, int descriptor)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return fate_of(kind, call, path, "");
}

/* Our own name is a call to the next library's function of that name. */
#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#define CHANGES(kind, name, descriptor, whole, half) \
    switch (fate(kind, #name, descriptor)) { \
    case FAIL: return -1; \
    case HALF: half; kill(getpid(), SIGKILL); \
    } \
    return REAL(name) whole;

ssize_t write(int to, const void *from, size_t size)
{ CHANGES(WRITES, write, to, (to, from, size), REAL(write)(to, from, size / 2)) }

ssize_t pwrite(int to, const void *from, size_t size, off_t at)
{ CHANGES(WRITES, pwrite, to, (to, from, size, at), REAL(pwrite)(to, from, size / 2, at)) }

ssize_t pwrite64(int to, const void *from, size_t size, off64_t at)
{ CHANGES(WRITES, pwrite64, to, (to, from, size, at), REAL(pwrite64)(to, from, size / 2, at)) }

ssize_t sendfile(int to, int from, off_t *at, size_t size)
{ CHANGES(WRITES, sendfile, to, (to, from, at, size), REAL(sendfile)(to, from, at, size / 2)) }

int ftruncate(int descriptor, off_t size) { CHANGES(WRITES, ftruncate, descriptor, (descriptor, size), ) }
int ftruncate64(int descriptor, off64_t size) { CHANGES(WRITES, ftruncate64, descriptor, (descriptor, size), ) }
int fsync(int descriptor) { CHANGES(SYNCS, fsync, descriptor, (descriptor), ) }
int fdatasync(int descriptor) { CHANGES(SYNCS, fdatasync, descriptor, (descriptor), ) }

int rename(const char *from, const char *to)
{ return fate_of(NAMES, "rename", from, to) ? -1 : REAL(rename)(from, to); }

int unlink(const char *path) { return fate_of(NAMES, "unlink", path, "") ? -1 : REAL(unlink)(path); }
