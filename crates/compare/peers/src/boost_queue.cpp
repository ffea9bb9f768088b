// What boost_queue.rs calls: the message queue of Boost.Interprocess, without exceptions.
#include <boost/interprocess/ipc/message_queue.hpp>

namespace ipc = boost::interprocess;
using queue = ipc::message_queue;

extern "C" {

void *boost_queue_create(const char *name, std::size_t depth, std::size_t bytes) {
    try {
        return new queue(ipc::create_only, name, depth, bytes);
    } catch (...) {
        return nullptr;
    }
}

void *boost_queue_open(const char *name) {
    try {
        return new queue(ipc::open_only, name);
    } catch (...) {
        return nullptr;
    }
}

int boost_queue_send(void *opened, const void *message, std::size_t bytes) {
    try {
        static_cast<queue *>(opened)->send(message, bytes, 0);
        return 0;
    } catch (...) {
        return -1;
    }
}

std::ptrdiff_t boost_queue_receive(void *opened, void *message, std::size_t room) {
    try {
        queue::size_type received = 0;
        unsigned int priority = 0;
        static_cast<queue *>(opened)->receive(message, room, received, priority);
        return static_cast<std::ptrdiff_t>(received);
    } catch (...) {
        return -1;
    }
}

std::size_t boost_queue_count(void *opened) {
    return static_cast<queue *>(opened)->get_num_msg();
}

void boost_queue_close(void *opened) {
    delete static_cast<queue *>(opened);
}

void boost_queue_remove(const char *name) {
    queue::remove(name);
}
}
