// Stand-in for Mesos's header of the same path: the type that stands for "no value".

#ifndef __STOUT_NONE_HPP__
#define __STOUT_NONE_HPP__

struct None {};

#endif // __STOUT_NONE_HPP__
