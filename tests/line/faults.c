/* Preloaded into a sorter: watches the calls that touch files, SQLite's own included, and at the n-th one kills the process before or
 * after it, lets it fail, or lets it read or write half of what was asked for.
 *
 * Calls are looked at from faults_arm on, in the process that called it. faults_said, which forked processes share, holds the
 * names of all of them, a line each. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))
#define ROOM (1 << 20)

enum fault { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL, SHORTEN };

static struct {
    char name[24]; /* of the calls that are counted down */
    long left;     /* until the fault comes */
    enum fault fault;
    int error;
    pid_t process; /* whose calls are watched */
} armed;
static char *said;

SHOWN void faults_arm(const char *name, long call, int fault, int error);
SHOWN char *faults_said(void);

__attribute__((constructor)) static void share(void)
{
    void *memory = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    said = memory == MAP_FAILED ? NULL : memory;
}

/* From now on the fault comes at the n-th call of this name; ``call`` 0: never. */
void faults_arm(const char *name, long call, int fault, int error)
{
    said[0] = 0;
    strncpy(armed.name, name, sizeof armed.name - 1);
    armed.left = call;
    armed.fault = (enum fault)fault;
    armed.error = error;
    armed.process = getpid();
}

char *faults_said(void)
{
    return said;
}

/* Notes a call and returns what shall happen to it. */
static enum fault meet(const char *name)
{
    if (armed.process != getpid())
        return NOTHING;
    size_t length = strlen(said), more = strlen(name);
    if (length + more + 2 < ROOM) {
        memcpy(said + length, name, more);
        memcpy(said + length + more, "\n", 2);
    }
    if (armed.left == 0 || strcmp(name, armed.name) != 0 || --armed.left > 0)
        return NOTHING;
    if (armed.fault == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    if (armed.fault == FAIL)
        errno = armed.error;
    return armed.fault;
}

static void leave(enum fault fault)
{
    if (fault == KILL_AFTER)
        kill(getpid(), SIGKILL);
}

static size_t asked(enum fault fault, size_t count)
{
    return fault == SHORTEN && count > 1 ? count / 2 : count;
}

static int is_folder(int file)
{
    struct stat found;
    return fstat(file, &found) == 0 && S_ISDIR(found.st_mode);
}

#define WRAP(type, name, parameters, ...)                                          \
    SHOWN type name parameters                                                     \
    {                                                                              \
        enum fault fault = meet(#name);                                            \
        if (fault == FAIL)                                                         \
            return -1;                                                             \
        type result = ((type(*) parameters)dlsym(RTLD_NEXT, #name))(__VA_ARGS__); \
        leave(fault);                                                              \
        return result;                                                             \
    }

#define WRAP_OPEN(name, ...)                                                             \
    {                                                                                    \
        va_list rest;                                                                    \
        va_start(rest, flags);                                                           \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                                    \
        enum fault fault = meet(name);                                                   \
        if (fault == FAIL)                                                               \
            return -1;                                                                   \
        int result = ((int (*)(PARAMETERS, int, ...))dlsym(RTLD_NEXT, name))(__VA_ARGS__, flags, mode); \
        leave(fault);                                                                    \
        return result;                                                                   \
    }

#define PARAMETERS const char *
SHOWN int open(const char *path, int flags, ...) WRAP_OPEN("open", path)
SHOWN int open64(const char *path, int flags, ...) WRAP_OPEN("open64", path)
#undef PARAMETERS
#define PARAMETERS int, const char *
SHOWN int openat(int folder, const char *path, int flags, ...) WRAP_OPEN("openat", folder, path)
SHOWN int openat64(int folder, const char *path, int flags, ...) WRAP_OPEN("openat64", folder, path)

WRAP(ssize_t, read, (int file, void *data, size_t count), file, data, asked(fault, count))
WRAP(ssize_t, pread64, (int file, void *data, size_t count, off64_t from), file, data, asked(fault, count), from)
WRAP(ssize_t, write, (int file, const void *data, size_t count), file, data, asked(fault, count))
WRAP(ssize_t, pwrite64, (int file, const void *data, size_t count, off64_t from), file, data, asked(fault, count), from)
/* What a process has written survives its death: nobody waits for the disk. */
#define WRAP_SYNC(name)                                                \
    SHOWN int name(int file)                                           \
    {                                                                  \
        enum fault fault = meet(is_folder(file) ? #name "-folder" : #name); \
        leave(fault);                                                  \
        return fault == FAIL ? -1 : 0;                                 \
    }

WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)
WRAP_SYNC(syncfs)
WRAP(int, ftruncate, (int file, off_t size), file, size)
WRAP(int, ftruncate64, (int file, off64_t size), file, size)
WRAP(int, truncate, (const char *path, off_t size), path, size)
WRAP(int, truncate64, (const char *path, off64_t size), path, size)
WRAP(int, rename, (const char *old, const char *new), old, new)
WRAP(int, renameat, (int from, const char *old, int to, const char *new), from, old, to, new)
WRAP(int, renameat2, (int from, const char *old, int to, const char *new, unsigned flags), from, old, to, new, flags)
WRAP(int, link, (const char *old, const char *new), old, new)
WRAP(int, linkat, (int from, const char *old, int to, const char *new, int flags), from, old, to, new, flags)
WRAP(int, unlink, (const char *path), path)
WRAP(int, unlinkat, (int folder, const char *path, int flags), folder, path, flags)
WRAP(int, mkdir, (const char *path, mode_t mode), path, mode)
WRAP(int, mkdirat, (int folder, const char *path, mode_t mode), folder, path, mode)
WRAP(int, rmdir, (const char *path), path)
