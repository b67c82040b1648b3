/* Preloaded into a time server: each datagram waits for so long before the server gets it, as if it were busy. The kernel
 * has stamped it before. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void wait_a_little(void) {
    const char *us = getenv("SLOW_RECV_US");
    usleep(us ? atoi(us) : 2700);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
    ssize_t n = real(fd, message, flags);
    if (n > 0 && !(flags & MSG_ERRQUEUE)) wait_a_little();
    return n;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) {
    int (*real)(int, struct mmsghdr *, unsigned int, int, struct timespec *) = dlsym(RTLD_NEXT, "recvmmsg");
    int n = real(fd, messages, count, flags, timeout);
    if (n > 0 && !(flags & MSG_ERRQUEUE)) wait_a_little();
    return n;
}
