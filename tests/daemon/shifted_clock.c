/* Adds the seconds that the file $SHIFT holds, as one 64-bit number, to CLOCK_REALTIME alone.

   For LD_PRELOAD. The file is mapped, so that a test can set the clock of a daemon that runs. The
   kernel does not know of the shift, so that there must be no timer on that clock: timerfd_create
   fails as it does on a kernel without it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *shift;

__attribute__((constructor)) static void open_shift(void) {
    int file = open(getenv("SHIFT"), O_RDONLY | O_CLOEXEC);
    shift = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && shift) now->tv_sec += *shift;
    return result;
}

int timerfd_create(int clock, int flags) {
    (void)clock, (void)flags;
    errno = ENOSYS;
    return -1;
}
