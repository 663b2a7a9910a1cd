/* fsync and fdatasync that fail with EIO, without syncing, for files whose path contains the text in the file that
   NARTHEX_TEST_FSYNC_FAULT names; while there is no such file they do what they always do. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int faulty(int fd) {
    char text[256], link[64], path[PATH_MAX];
    const char *armed = getenv("NARTHEX_TEST_FSYNC_FAULT");
    if (armed == NULL) return 0;
    int file = open(armed, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, text) != NULL;
}

int fsync(int fd) {
    if (faulty(fd)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    if (faulty(fd)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fdatasync, fd);
}
