/* The other side of the exchange, as the teaching demo does it: a plain C struct with a flag.
 *
 *   peer writer KEY COUNT      creates the segment, writes COUNT messages, removes the segment
 *   peer reader KEY COUNT      waits for the segment, reads COUNT messages, prints "counter text"
 *
 * Two things the demo does not have: the barriers, without which the test would prove nothing on a
 * processor that reorders; and an alarm, so that it never outlives the test.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

struct shared {
    int counter;
    char message[100];
    volatile bool ready;
};

_Static_assert(offsetof(struct shared, counter) == 0, "counter");
_Static_assert(offsetof(struct shared, message) == 4, "message");
_Static_assert(offsetof(struct shared, ready) == 104, "ready");
_Static_assert(sizeof(struct shared) == 108, "size");

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct shared *attach(int id)
{
    void *address = shmat(id, NULL, 0);
    if (address == (void *)-1)
        fail("shmat");
    return address;
}

static void wait_for(struct shared *shared, bool ready)
{
    while (shared->ready != ready)
        usleep(1000);
    __sync_synchronize();
}

static void hand_over(struct shared *shared, bool ready)
{
    __sync_synchronize();
    shared->ready = ready;
}

static void writer(key_t key, int count)
{
    int id = shmget(key, sizeof(struct shared), IPC_CREAT | 0600);
    if (id == -1)
        fail("shmget");
    struct shared *shared = attach(id);
    shared->ready = false;
    for (int counter = 1; counter <= count; counter++) {
        shared->counter = counter;
        snprintf(shared->message, sizeof shared->message, "Message #%d in C", counter);
        hand_over(shared, true);
        wait_for(shared, false);
    }
    shmdt(shared);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        fail("shmctl");
}

static void reader(key_t key, int count)
{
    int id;
    while ((id = shmget(key, sizeof(struct shared), 0600)) == -1) {
        if (errno != ENOENT)
            fail("shmget");
        usleep(1000);
    }
    struct shared *shared = attach(id);
    for (int read = 0; read < count; read++) {
        wait_for(shared, true);
        printf("%d %s\n", shared->counter, shared->message);
        hand_over(shared, false);
    }
    shmdt(shared);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: peer writer|reader KEY COUNT\n");
        return 2;
    }
    alarm(60);
    key_t key = (key_t)strtoul(argv[2], NULL, 0);
    int count = atoi(argv[3]);
    if (strcmp(argv[1], "writer") == 0)
        writer(key, count);
    else
        reader(key, count);
    return 0;
}
