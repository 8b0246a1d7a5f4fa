// Stand-in for Mesos's header of the same path: an error is its message.

#ifndef __STOUT_ERROR_HPP__
#define __STOUT_ERROR_HPP__

#include <string>

class Error
{
public:
  explicit Error(const std::string& _message) : message(_message) {}

  const std::string message;
};

#endif // __STOUT_ERROR_HPP__
