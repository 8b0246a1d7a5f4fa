// Stand-in for Mesos's header of the same path. A Mesos loads only modules that
// name exactly its version, as MESOS_VERSION. Without its headers the build has
// to define that; whatever has a module record does not compile otherwise.

#ifndef __MESOS_VERSION_HPP__
#define __MESOS_VERSION_HPP__

#endif // __MESOS_VERSION_HPP__
