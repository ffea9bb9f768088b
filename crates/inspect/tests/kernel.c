/* Goal: a kernel that does not do what the protocol rests on. Method: preloaded, it stands before the
   C library's semop and semtimedop, and has the defect that DEFECT names. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <time.h>

typedef int call(int, struct sembuf *, size_t, const struct timespec *);

int semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *limit) {
    call *real = (call *)dlsym(RTLD_NEXT, "semtimedop");
    const char *defect = getenv("DEFECT");
    if (defect == NULL)
        return real(set, operations, count, limit);
    if (strcmp(defect, "does-nothing") == 0)
        return 0;
    if (strcmp(defect, "one-by-one") == 0) {
        for (size_t i = 0; i < count; i++)
            if (real(set, operations + i, 1, limit) == -1)
                return -1;
        return 0;
    }
    if (strcmp(defect, "no-undo") == 0) {
        struct sembuf changed[500];
        for (size_t i = 0; i < count; i++) {
            changed[i] = operations[i];
            changed[i].sem_flg &= ~SEM_UNDO;
        }
        return real(set, changed, count, limit);
    }
    abort();
}

int semop(int set, struct sembuf *operations, size_t count) {
    return semtimedop(set, operations, count, NULL);
}
