/* Functions about the machine and the allocator. */
#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "nn/dnnl/dnnl_engine.h"

static PyObject *set_instruction_limit(PyObject *module, PyObject *argument)
{
    (void)module;
    const char *name = gng_bind_text(argument);
    if (name == NULL) {
        (void)gng_bind_refuse(PyExc_TypeError, "name: expected the name of an instruction set, found %R", argument);
        return NULL;
    }
    gng_instruction_set limit;
    gng_status status = gng_instruction_set_from_name(name, &limit);
    if (status == GNG_OK)
        status = gng_cpu_limit_set(limit);
    return status == GNG_OK ? Py_NewRef(Py_None) : gng_bind_raise(status);
}

static PyObject *instruction_set(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(gng_instruction_set_name(gng_cpu_effective()));
}

static PyObject *instruction_sets(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const int count = (int)gng_cpu_detected() + 1;
    PyObject *names = PyTuple_New(count);
    for (int i = 0; i < count && names != NULL; i++) {
        PyObject *name = PyUnicode_FromString(gng_instruction_set_name((gng_instruction_set)i));
        if (name == NULL || PyTuple_SetItem(names, i, name) < 0)
            Py_CLEAR(names);
    }
    return names;
}

static PyObject *describe_machine(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    char cpu[256], caches[256];
    gng_cpu_describe(cpu, sizeof cpu);
    gng_cpu_describe_caches(caches, sizeof caches);
    return Py_BuildValue("{s:s,s:s,s:s,s:s}", "cpu", cpu, "instruction_set", gng_instruction_set_name(gng_cpu_effective()), "caches", caches,
                         "engine", gng_engine_available() ? gng_engine_version() : "none");
}

static PyObject *cpu_count(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(gng_cpu_count());
}

static PyObject *allocation_count(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromUnsignedLongLong(gng_memory_allocation_count());
}

static PyObject *live_allocations(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromUnsignedLongLong(gng_memory_live_count());
}

static PyObject *fail_nth_allocation(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_bind_unsigned n = {.name = "n", .most = UINT64_MAX};
    if (gng_bind_read_unsigned(argument, &n) == 0)
        return NULL;
    gng_memory_fail_nth(n.value);
    return Py_NewRef(Py_None);
}

static PyObject *exchange_arithmetic(PyObject *module, PyObject *arguments)
{
    (void)module;
    /* Bits above these are reserved: setting one ends the process. */
    gng_bind_unsigned mode = {.value = GNG_ARITHMETIC_DEFAULT, .name = "mode", .most = 0xFFFF};
    if (!PyArg_ParseTuple(arguments, "|O&:exchange_arithmetic", gng_bind_read_unsigned, &mode))
        return NULL;
    return PyLong_FromUnsignedLong(gng_arithmetic_exchange((unsigned int)mode.value));
}

PyMethodDef gng_bind_machine_methods[] = {
    {"set_instruction_limit", set_instruction_limit, METH_O, "Limits the instruction set; before the first use of a net."},
    {"instruction_set", instruction_set, METH_NOARGS, "The instruction set in use."},
    {"instruction_sets", instruction_sets, METH_NOARGS, "All instruction sets of this machine, the best last."},
    {"describe_machine", describe_machine, METH_NOARGS, "Processor, instruction set, caches and engine."},
    {"cpu_count", cpu_count, METH_NOARGS, "Processors this process may run on."},
    {"exchange_arithmetic", exchange_arithmetic, METH_VARARGS, "Sets the arithmetic mode of the calling thread and returns the one before."},
    {"allocation_count", allocation_count, METH_NOARGS, "Allocations of the core since the process started."},
    {"live_allocations", live_allocations, METH_NOARGS, "Blocks of the core that are allocated now."},
    {"fail_nth_allocation", fail_nth_allocation, METH_O, "Test hook: the n-th allocation from now fails; 0 is off."},
    {0},
};
