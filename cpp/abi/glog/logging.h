// Stand-in for glog's header of the same path: one line into the host's log.

#ifndef __GLOG_LOGGING_H__
#define __GLOG_LOGGING_H__

#include <ostream>

namespace google {

typedef int LogSeverity;

const LogSeverity GLOG_INFO = 0;
const LogSeverity GLOG_WARNING = 1;
const LogSeverity GLOG_ERROR = 2;


// The line is written when the object dies.
class LogMessage
{
public:
  LogMessage(const char* file, int line, LogSeverity severity);
  ~LogMessage();

  std::ostream& stream();

  LogMessage(const LogMessage&) = delete;
  LogMessage& operator=(const LogMessage&) = delete;

private:
  // glog 0.4 keeps two pointers here; room for four more costs nothing.
  void* room[6];
};

} // namespace google {

#endif // __GLOG_LOGGING_H__
