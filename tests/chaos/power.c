/* Writes down every write, truncation and sync of files below AIMSCOPE_POWER_FOLDER, in their order.
   A loss of power is played from this record: what was not synced may be missing, in any combination. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int record = -1;
static const char *folder;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    folder = getenv("AIMSCOPE_POWER_FOLDER");
    const char *path = getenv("AIMSCOPE_POWER_RECORD");
    if (folder && path) record = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(char what, int fd, int64_t offset, const void *data, uint32_t size) {
    char link[64], path[PATH_MAX];
    if (record < 0 || fd == record) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder))) return;
    unsigned char head[15];
    uint16_t name = (uint16_t)length;
    head[0] = (unsigned char)what;
    memcpy(head + 1, &name, 2);
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &size, 4);
    struct iovec parts[3] = {{head, 15}, {path, (size_t)length}, {(void *)data, size}};
    pthread_mutex_lock(&lock);
    if (writev(record, parts, data ? 3 : 2) < 0) abort();
    pthread_mutex_unlock(&lock);
}

#define REAL(name, type) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, #name)
typedef ssize_t (*pwrite_t)(int, const void *, size_t, off64_t);
typedef ssize_t (*write_t)(int, const void *, size_t);
typedef int (*sync_t)(int);
typedef int (*truncate_t)(int, off64_t);

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64, pwrite_t);
    ssize_t done = real(fd, data, size, offset);
    if (done > 0) note('W', fd, offset, data, (uint32_t)done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write, write_t);
    off64_t offset = record >= 0 ? lseek64(fd, 0, SEEK_CUR) : -1;
    ssize_t done = real(fd, data, size);
    if (done > 0 && offset >= 0) note('W', fd, offset, data, (uint32_t)done);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64, truncate_t);
    int failed = real(fd, size);
    if (!failed) note('T', fd, size, NULL, 0);
    return failed;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
    REAL(fsync, sync_t);
    int failed = real(fd);
    if (!failed) note('S', fd, 0, NULL, 0);
    return failed;
}

int fdatasync(int fd) {
    REAL(fdatasync, sync_t);
    int failed = real(fd);
    if (!failed) note('S', fd, 0, NULL, 0);
    return failed;
}
