package dearchive

import (
	"errors"
	"io/fs"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// processes are an unpacker and what it starts: a job object.
type processes struct{ job windows.Handle }

// start starts cmd as a job object. Windows has no limit for the size of a
// file: measure sees to it. maxMemory 0 is any size of a process.
func start(cmd *exec.Cmd, _, maxMemory int64) (processes, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return processes{}, err
	}
	p := processes{job}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if maxMemory > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY
		info.ProcessMemoryLimit = uintptr(maxMemory)
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.close()
		return processes{}, err
	}
	var assigned error
	err = cmd.Process.WithHandle(func(h uintptr) {
		assigned = windows.AssignProcessToJobObject(job, windows.Handle(h))
	})
	if err = errors.Join(err, assigned); err != nil {
		err = errors.Join(err, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		p.close()
		return processes{}, err
	}
	return p, nil
}

// kill ends them all.
func (p processes) kill() { _ = windows.TerminateJobObject(p.job, 1) }

// close ends what is left of them.
func (p processes) close() { _ = windows.CloseHandle(p.job) }

// fileID is the same for all names of one file.
type fileID struct {
	volume, high, low uint32
}

// identify tells the file and how many names it has, here and elsewhere.
func (w *workspace) identify(path string, _ fs.FileInfo) (fileID, uint64, error) {
	f, err := w.open(path)
	if err != nil {
		return fileID{}, 0, err
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return fileID{}, 0, err
	}
	return fileID{info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow}, uint64(info.NumberOfLinks), nil
}
