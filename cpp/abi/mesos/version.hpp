// Stand-in for Mesos's header of the same path. A Mesos loads only modules that
// name exactly its version; without its headers the build has to say which.

#ifndef __MESOS_VERSION_HPP__
#define __MESOS_VERSION_HPP__

#ifndef MESOS_VERSION
#error "Define MESOS_VERSION, or compile against Mesos's own headers"
#endif

#endif // __MESOS_VERSION_HPP__
